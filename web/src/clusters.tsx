// Clusters with their most typical images, and the page of one of them.

import * as data from "./data";
import { counted } from "./format";
import { Grid } from "./grid";
import { Groups } from "./groups";
import {
  clusterName, clusters, go, href, passing, route, select, sorted, usual,
} from "./state";
import { TileButton } from "./tile";

const SHOWN = 16;
const SIDE = 88;

/** All clusters, the largest first, each with its prototypes. */
export function ClusterList() {
  const mask = passing.value;
  const found = [...clusters]
    .map(([id, rows]) => ({ id, rows: rows.filter((row) => mask[row]) }))
    .filter(({ rows }) => rows.length)
    .sort((a, b) => b.rows.length - a.rows.length);
  return (
    <Groups
      label="Clusters"
      height={150}
      groups={found.map(({ id, rows }) => ({
        id,
        content: () => <ClusterStrip id={id} rows={rows} />,
      }))}
    />
  );
}

export function ClusterStrip({ id, rows }: { id: number; rows: number[] }) {
  const first = sorted([...rows], "prototype");
  return (
    <>
      <h2>
        <a href={href("clusters", id)} dir="auto">{clusterName(id)}</a>
        <span class="quiet">{counted(rows.length, "image")}</span>
        <span class="quiet" dir="auto">{labelsOf(rows)}</span>
      </h2>
      <div class="strip">
        {first.slice(0, SHOWN).map((row) => (
          <TileButton key={row} row={row} side={SIDE} rows={first} />
        ))}
        {rows.length > SHOWN && (
          <button type="button" class="more" onClick={() => go("clusters", id)}>
            all {rows.length}
          </button>
        )}
      </div>
    </>
  );
}

/** Says which labels most of some images have, such as "dog 80 %, cat 12 %". */
function labelsOf(rows: number[]): string {
  const labels = data.text("label");
  if (!labels) return "";
  const counts = new Map<string, number>();
  for (const row of rows) {
    const label = labels.at(row);
    if (label) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([label, n]) => `${label} ${Math.round((100 * n) / rows.length)} %`)
    .join(", ");
}

/** One cluster, its prototypes first. */
export function ClusterPage() {
  const id = Number(route.value.part);
  const mask = passing.value;
  const rows = (clusters.get(id) ?? []).filter((row) => mask[row]);
  return (
    <>
      <div class="heading">
        <a href={href("clusters")}>All clusters</a>
        <h2 dir="auto">{clusterName(id)}</h2>
        <span class="quiet">{counted(rows.length, "image")}</span>
        <span class="quiet" dir="auto">{labelsOf(rows)}</span>
        <button type="button" onClick={() => select(rows)}>
          Select the cluster
        </button>
      </div>
      <Grid rows={usual(rows, "prototype")} label={clusterName(id)} />
    </>
  );
}
