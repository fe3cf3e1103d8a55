// Groups of duplicates: the image to keep, and those that could go.

import * as data from "./data";
import { bytes, counted } from "./format";
import { Grid } from "./grid";
import { Groups } from "./groups";
import { savePairs } from "./saving";
import {
  apart, go, groups, href, passing, route, select, selection, setApart,
} from "./state";
import { TileButton } from "./tile";

const SIDE = 128;
const SHOWN = 20;

const keep = data.flags("keep");
const kinds = data.text("duplicate_kind");

/** The image of a group that the others are duplicates of. */
function kept(rows: number[]): number | undefined {
  // No image of the reference is dropped, whatever it is a copy of.
  return rows.find((row) => keep?.[row] && !kinds?.at(row));
}

function droppable(rows: number[]): number[] {
  return rows.filter((row) => keep?.[row] === 0 && !apart.value.has(row));
}

function caption(row: number): string {
  const [width, height] = [data.numbers("width"), data.numbers("height")];
  const size = width && height ? `${width[row]} × ${height[row]}` : "";
  const weight = data.numbers("bytes");
  const facts = [size, weight && bytes(weight[row])].filter(Boolean).join(" · ");
  if (data.isReference(row)) return `reference\n${facts}\n${data.fileOf(row)}`;
  const kind = keep?.[row] ? "keep" : kinds?.at(row) || "duplicate";
  return `${kind}\n${facts}`;
}

export function Duplicates() {
  if (route.value.part) return <GroupPage />;
  const mask = passing.value;
  const found = [...groups]
    .filter(([, rows]) => rows.some((row) => mask[row]))
    .map(([id, rows]) => ({ id, rows: keptFirst(rows) }));
  const extra = found.flatMap(({ rows }) => droppable(rows));
  return (
    <>
      <div class="heading">
        <span>
          {counted(found.length, "group")}, {counted(extra.length, "file")} to drop
        </span>
        <button type="button" disabled={!extra.length} onClick={() => select(extra)}>
          Select all to drop
        </button>
        <Apart />
      </div>
      <Groups
        label="Groups of duplicates"
        height={240}
        groups={found.map(({ id, rows }) => ({
          id,
          content: () => <Strip id={id} rows={rows} />,
        }))}
      />
    </>
  );
}

function keptFirst(rows: number[]): number[] {
  const first = kept(rows);
  if (first === undefined) return rows;
  return [first, ...rows.filter((row) => row !== first)];
}

function Strip({ id, rows }: { id: number; rows: number[] }) {
  const extra = droppable(rows);
  const first = kept(rows);
  const all = extra.length > 0 && extra.every((row) => selection.value.has(row));
  return (
    <>
      <h2>
        {counted(rows.length, "file")}
        {first !== undefined && data.isReference(first) && (
          <span class="quiet">The one to keep is in the reference folder.</span>
        )}
        <button
          type="button"
          disabled={!extra.length}
          onClick={() => select(extra, !all)}
        >
          {all ? "Select none" : `Select ${extra.length} to drop`}
        </button>
      </h2>
      <div class="strip">
        {rows.slice(0, SHOWN).map((row) => (
          <div class="member" key={row}>
            <TileButton
              row={row}
              side={SIDE}
              rows={rows}
              caption={caption(row)}
              original
            />
            {first !== undefined && row !== first && !data.isReference(row) && (
              <Different row={row} />
            )}
          </div>
        ))}
        {rows.length > SHOWN && (
          <button type="button" class="more" onClick={() => go("duplicates", id)}>
            all {rows.length}
          </button>
        )}
      </div>
    </>
  );
}

function Different({ row }: { row: number }) {
  const marked = apart.value.has(row);
  return (
    <button
      type="button"
      class="plain"
      aria-pressed={marked}
      onClick={() => setApart(row, !marked)}
    >
      {marked ? "✓ not a duplicate" : "Not a duplicate"}
    </button>
  );
}

/** Saves what was said to be different, if anything was. */
function Apart() {
  const pairs = [...apart.value].flatMap((row): [number, number][] => {
    const group = groups.get(data.numbers("duplicate_group")![row]) ?? [];
    const first = kept(group);
    return first === undefined ? [] : [[row, first]];
  });
  if (!pairs.length) return null;
  return (
    <button type="button" class="main" onClick={() => savePairs(pairs)}>
      Save {counted(pairs.length, "pair")} as not_duplicates.csv
    </button>
  );
}

function GroupPage() {
  const rows = keptFirst(groups.get(Number(route.value.part)) ?? []);
  return (
    <>
      <div class="heading">
        <a href={href("duplicates")}>All groups</a>
        <h2>{counted(rows.length, "file")}</h2>
        <button type="button" onClick={() => select(droppable(rows))}>
          Select all to drop
        </button>
      </div>
      <Grid rows={rows} label="Group of duplicates" caption={caption} />
    </>
  );
}
