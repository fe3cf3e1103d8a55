// What the reader has chosen: a view, filters, a selection, an image.

import { computed, effect, signal } from "@preact/signals";
import * as data from "./data";

export type View =
  | "overview"
  | "images"
  | "map"
  | "clusters"
  | "duplicates"
  | "issues"
  | "labels";

export interface Route {
  view: View;
  /** Of a cluster, a group, an issue or a pair of labels; "" for all. */
  part: string;
}

const has = (rows: { length: number } | null) => (rows?.length ?? 0) > 0;
export const clusters = data.members("cluster");
export const groups = data.members("duplicate_group");
const TITLES: [View, string, boolean][] = [
  ["overview", "Overview", true],
  ["images", "Images", true],
  ["map", "Map", has(data.numbers("x")) && has(data.numbers("y"))],
  ["clusters", "Clusters", clusters.size > 0],
  ["duplicates", "Duplicates", groups.size > 0],
  ["issues", "Issues", Boolean(data.tags("issues") ?? data.flags("is_outlier"))],
  ["labels", "Labels", data.text("label") !== null],
];
/** The views that this table has something for. */
export const views = TITLES.filter(([, , shown]) => shown);

function parse(hash: string): Route {
  const [name, part = ""] = hash.slice(1).split("/");
  const known = views.find(([view]) => view === name);
  let decoded = "";
  try {
    decoded = decodeURIComponent(part);
  } catch {
    // A hash that nobody here wrote.
  }
  return known ? { view: known[0], part: decoded } : { view: "overview", part: "" };
}

export const route = signal(parse(location.hash));
addEventListener("hashchange", () => (route.value = parse(location.hash)));

/** Returns the address of a view. */
export const href = (view: View, part: string | number = "") =>
  `#${view}${part === "" ? "" : `/${encodeURIComponent(part)}`}`;

/** Shows a view; the browser's Back returns from it. */
export function go(view: View, part: string | number = ""): void {
  location.hash = href(view, part);
}

// Filters hold in all views.
export const query = signal("");
export const cluster = signal("");
export const label = signal("");
export const split = signal("");
export const only = signal("");
/** "" is the order that suits the view. */
export const order = signal("");

export interface Choice {
  name: string;
  test: (row: number) => boolean;
}

function flagged(column: string, wanted = 1): Choice["test"] | null {
  const found = data.flags(column);
  return found && ((row) => found[row] === wanted);
}

function copied(): Choice["test"] | null {
  const copies = data.text("reference_file");
  return copies && ((row) => copies.at(row) !== "");
}

function proposed(): Choice["test"] | null {
  const place = data.numbers("select_order");
  return place && ((row) => place[row] >= 0);
}

/** Subsets that this table tells apart, by the key of their option. */
export const subsets: ReadonlyMap<string, Choice> = new Map(
  (
    [
      ["prototype", "Prototypes", flagged("is_prototype")],
      ["outlier", "Outliers", flagged("is_outlier")],
      ["label", "Suspicious labels", flagged("is_label_issue")],
      ["reference", "Also in the reference", copied()],
      ["drop", "Duplicates to drop", groups.size ? flagged("keep", 0) : null],
      ["place", "With a place (GPS)", flagged("has_place")],
      ["proposed", "Proposed for labelling", proposed()],
      ...(data.tags("issues")?.values ?? []).map((issue, i) => {
        const { bits } = data.tags("issues")!;
        return [`issue-${issue}`, sentence(issue), (row: number) => ((bits[row] >> i) & 1) === 1];
      }),
      ["selected", "Selected", (row: number) => selection.value.has(row)],
    ] as [string, string, Choice["test"] | null][]
  )
    .filter(([, , test]) => test)
    .map(([key, name, test]) => [key, { name, test: test! }]),
);

/** Turns the name of a column or an issue into words. */
export function sentence(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The name of a cluster, or its number. */
export function clusterName(id: number): string {
  const row = clusters.get(id)?.[0];
  const name = row === undefined ? "" : data.text("cluster_name")?.at(row);
  return name || `Cluster ${id}`;
}

const haystacks = ["file", "cluster_name", "label", "predicted_label", "neighbour_label"]
  .map(data.text)
  .filter((found) => found !== null)
  .map(({ values, codes }) => ({
    codes,
    values: values.map((value) => value.normalize().toLowerCase()),
  }));

function matches(words: string[], row: number): boolean {
  return words.every((word) =>
    haystacks.some(({ values, codes }) =>
      values[codes ? codes[row] : row]?.includes(word),
    ),
  );
}

/** For each row, whether all filters let it pass. */
export const passing = computed(() => {
  const words = query.value.normalize().toLowerCase().split(/\s+/).filter(Boolean);
  const subset = subsets.get(only.value)?.test;
  const clusterOf = cluster.value === "" ? null : data.numbers("cluster");
  const labels = label.value === "" ? null : data.text("label");
  const wanted = labels?.values.indexOf(label.value);
  const splits = split.value === "" ? null : data.text("split");
  const mask = new Uint8Array(data.count);
  for (let row = 0; row < data.count; row++) {
    mask[row] = Number(
      (!clusterOf || clusterOf[row] === Number(cluster.value)) &&
        (!labels || labels.code(row) === wanted) &&
        (!splits || splits.at(row) === split.value) &&
        (!subset || subset(row)) &&
        (!words.length || matches(words, row)),
    );
  }
  return mask;
});

export const filtered = computed(
  () =>
    [query, cluster, label, split, only].some((filter) => filter.value !== ""),
);

export function clearFilters(): void {
  for (const filter of [query, cluster, label, split, only]) filter.value = "";
}

type Key = (row: number) => number;

function by(column: string, descending = false): Key | null {
  const found = data.numbers(column);
  if (!found) return null;
  // What is unknown comes last.
  const sign = descending ? -1 : 1;
  return (row) => (Number.isNaN(found[row]) ? Infinity : sign * found[row]);
}

function prototypesFirst(): Key | null {
  const first = data.flags("is_prototype");
  const probability = data.numbers("cluster_probability");
  if (!first && !probability) return null;
  return (row) => -2 * (first?.[row] ?? 0) - (probability?.[row] || 0);
}

function byTime(): Key | null {
  const taken = data.text("taken");
  if (!taken) return null;
  const rank = new Int32Array(taken.values.length);
  const sorted = [...taken.values.keys()];
  sorted.sort((a, b) => (taken.values[a] < taken.values[b] ? -1 : 1));
  sorted.forEach((code, place) => (rank[code] = place));
  return (row) => (taken.at(row) ? rank[taken.code(row)] : Infinity);
}

function byPixels(): Key | null {
  const [width, height] = [data.numbers("width"), data.numbers("height")];
  return width && height && ((row) => width[row] * height[row]);
}

/** The orders that this table has what it takes for. */
export const orders: ReadonlyMap<string, { name: string; key: Key }> = new Map(
  (
    [
      ["file", "By name", (row) => row],
      ["prototype", "Typical of their cluster first", prototypesFirst()],
      ["outlier", "Unlike all others first", by("outlier_score", true)],
      ["entropy", "Mixed neighbourhoods first", by("entropy", true)],
      ["label", "Unlikely labels first", by("label_score")],
      ["proposed", "Proposed for labelling first", by("select_order")],
      ["blurred", "Blurred first", by("sharpness")],
      ["dark", "Dark first", by("brightness")],
      ["bright", "Bright first", by("brightness", true)],
      ["flat", "Low contrast first", by("contrast")],
      ["small", "Few pixels first", byPixels()],
      ["bytes", "Large files first", by("bytes", true)],
      ["taken", "Oldest first", byTime()],
    ] as [string, string, Key | null][]
  )
    .filter(([, , key]) => key)
    .map(([id, name, key]) => [id, { name, key: key! }]),
);

/** Sorts rows by the chosen order, or by another if none was chosen. */
export function usual(rows: number[], id = "file"): number[] {
  return sorted([...rows], order.value || id);
}

/** Sorts rows in place by the key of an order; ties stay in their order. */
export function sorted(rows: number[], id: string): number[] {
  const key = orders.get(id)?.key;
  if (!key || id === "file") return rows;
  const keys = new Map(rows.map((row) => [row, key(row)]));
  return rows.sort((a, b) => {
    const difference = keys.get(a)! - keys.get(b)!;
    return Number.isNaN(difference) ? 0 : difference;
  });
}

/** The rows that pass, in the order that was chosen. */
export const shown = computed(() => {
  const rows: number[] = [];
  passing.value.forEach((passes, row) => passes && rows.push(row));
  return usual(rows);
});

/** The image that arrows move from, and whose details can be open. */
export const current = signal<number | null>(null);
export const detailed = signal(false);

export function open(row: number): void {
  current.value = row;
  detailed.value = true;
}

/** The rows that were selected, in that order. */
export const selection = signal<ReadonlySet<number>>(new Set());
/** Rows that the reader said are no duplicates of the one to keep. */
export const apart = signal<ReadonlySet<number>>(new Set());

function with_(set: ReadonlySet<number>, rows: Iterable<number>, add: boolean) {
  const next = new Set(set);
  for (const row of rows) {
    if (!add) next.delete(row);
    else if (!data.isReference(row)) next.add(row); // It is not to be changed.
  }
  return next;
}

export function select(rows: Iterable<number>, add = true): void {
  selection.value = with_(selection.value, rows, add);
}

export function toggle(row: number): void {
  select([row], !selection.value.has(row));
}

export function setApart(row: number, add: boolean): void {
  apart.value = with_(apart.value, [row], add);
  if (add) select([row], false);
}

// A reload loses no work. Private windows have no such storage.
const KEY = `explore-${data.digest}`;
try {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  selection.value = new Set(kept.selection);
  apart.value = new Set(kept.apart);
} catch {
  // Then the page begins with nothing selected.
}
effect(() => {
  const kept = { selection: [...selection.value], apart: [...apart.value] };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Nothing is kept, and nothing else depends on it.
  }
});
