// What may be wrong: images with issues, and labels that neighbours doubt.

import * as data from "./data";
import { number } from "./format";
import { Grid } from "./grid";
import { go, passing, route, sentence, usual, type View } from "./state";

interface Chip {
  key: string;
  name: string;
  rows: number[];
}

/** Buttons of which one is chosen, with how many images each has. */
function Chips({ chips, view }: { chips: Chip[]; view: View }) {
  return (
    <div class="chips" role="group" aria-label="Show">
      {chips.map(({ key, name, rows }) => (
        <button
          key={key}
          type="button"
          aria-pressed={route.value.part === key}
          onClick={() => go(view, key)}
        >
          <span dir="auto">{name}</span> <b>{number(rows.length)}</b>
        </button>
      ))}
    </div>
  );
}

function chosen(chips: Chip[]): number[] {
  return (chips.find(({ key }) => key === route.value.part) ?? chips[0]).rows;
}

/** Rows by kind of issue; outliers are one of them. */
export function issues(mask: Uint8Array): Chip[] {
  const found = data.tags("issues");
  const outlier = data.flags("is_outlier");
  const kinds: Chip[] = (found?.values ?? []).map((name) => ({
    key: name, name: sentence(name), rows: [],
  }));
  const outliers: Chip = { key: "outlier", name: "Outlier", rows: [] };
  const all: Chip = { key: "", name: "All", rows: [] };
  for (let row = 0; row < data.count; row++) {
    if (!mask[row]) continue;
    const bits = found?.bits[row] ?? 0;
    if (outlier?.[row]) outliers.rows.push(row);
    if (bits || outlier?.[row]) all.rows.push(row);
    kinds.forEach(({ rows }, i) => (bits >> i) & 1 && rows.push(row));
  }
  return [all, outliers, ...kinds].filter((each) => each === all || each.rows.length);
}

const issueCaption = (row: number) => [
  ...(data.flags("is_outlier")?.[row] ? ["outlier"] : []),
  ...data.tagsOf("issues", row),
].map((name) => name.replaceAll("_", " ")).join(", ");

export function Issues() {
  const chips = issues(passing.value);
  const outliers = route.value.part === "outlier";
  return (
    <>
      <Chips chips={chips} view="issues" />
      <Grid
        rows={usual(chosen(chips), outliers ? "outlier" : "file")}
        label="Images with issues"
        caption={issueCaption}
      />
    </>
  );
}

// So many confusions have a button of their own, if they are of two or more.
const PAIRS = 10;
const pairOf = (row: number) => {
  const [given, near] = [data.text("label"), data.text("neighbour_label")];
  return `${given?.at(row) || "no label"} → ${near?.at(row) || "unknown"}`;
};

/** Rows whose label is doubted, by the label and what neighbours say. */
export function labelIssues(mask: Uint8Array): Chip[] {
  const suspicious = data.flags("is_label_issue");
  const all: Chip = { key: "", name: "All", rows: [] };
  const pairs = new Map<string, Chip>();
  for (let row = 0; row < data.count; row++) {
    if (!mask[row] || !suspicious?.[row]) continue;
    const key = pairOf(row);
    if (!pairs.has(key)) pairs.set(key, { key, name: key, rows: [] });
    pairs.get(key)!.rows.push(row);
    all.rows.push(row);
  }
  const most = [...pairs.values()].sort((a, b) => b.rows.length - a.rows.length);
  const wanted = most.find(({ key }) => key === route.value.part);
  const first = most.slice(0, PAIRS).filter(({ rows }) => rows.length > 1);
  if (wanted && !first.includes(wanted)) first.push(wanted);
  return [all, ...first];
}

const labelCaption = (row: number) => pairOf(row).replace(" → ", "\n→ ");

export function Labels() {
  const chips = labelIssues(passing.value);
  return (
    <>
      <Chips chips={chips} view="labels" />
      <Grid
        rows={usual(chosen(chips), "label")}
        label="Images whose label their neighbours doubt"
        caption={labelCaption}
      />
    </>
  );
}
