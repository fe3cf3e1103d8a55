// The first view: figures that lead further, and a few images of each.

import * as data from "./data";
import { ClusterStrip } from "./clusters";
import { issues, labelIssues } from "./findings";
import { number } from "./format";
import {
  clusters, groups, href, sorted, views, type View,
} from "./state";
import { TileButton } from "./tile";

const everything = new Uint8Array(data.count).fill(1);
const SIDE = 88;
const SHOWN = 16;
const CLUSTERS = 4;

function dropped(): number {
  const keep = data.flags("keep");
  let count = 0;
  for (const rows of groups.values()) {
    count += rows.filter((row) => keep?.[row] === 0).length;
  }
  return count;
}

function Card(props: { view: View; part?: string; count: number; what: string }) {
  const { view, part, count, what } = props;
  if (!views.some(([name]) => name === view)) return null;
  return (
    <li>
      <a href={href(view, part)}>
        <b>{number(count)}</b>
        <span>{what}</span>
      </a>
    </li>
  );
}

function Strip(props: {
  title: string; view: View; part?: string; rows: number[]; count?: number;
}) {
  const { title, view, part, rows, count = rows.length } = props;
  if (!rows.length) return null;
  return (
    <section>
      <h2>
        <a href={href(view, part)}>{title}</a>
        <span class="quiet">{number(count)}</span>
      </h2>
      <div class="strip">
        {rows.slice(0, SHOWN).map((row) => (
          <TileButton key={row} row={row} side={SIDE} rows={rows} />
        ))}
      </div>
    </section>
  );
}

export function Overview() {
  const [all, ...kinds] = issues(everything);
  const outliers = kinds.find(({ key }) => key === "outlier")?.rows ?? [];
  const [doubted] = labelIssues(everything);
  const extra = [...groups.values()].flatMap((rows) => rows.slice(0, 2));
  const largest = [...clusters]
    .sort((a, b) => b[1].length - a[1].length)
    .slice(0, CLUSTERS);
  return (
    <div class="scroller overview" tabIndex={0}>
      <ul class="cards">
        <Card view="images" count={data.count} what="images" />
        <Card view="clusters" count={clusters.size} what="clusters" />
        <Card view="duplicates" count={dropped()} what="duplicates to drop" />
        <Card view="issues" part="outlier" count={outliers.length} what="outliers" />
        <Card view="issues" count={all.rows.length} what="with issues" />
        <Card view="labels" count={doubted.rows.length} what="suspicious labels" />
      </ul>
      {data.notes.length > 0 && (
        <ul class="notes">
          {data.notes.map((note) => <li key={note} dir="auto">{note}</li>)}
        </ul>
      )}
      {largest.map(([id, rows]) => (
        <section key={id}><ClusterStrip id={id} rows={rows} /></section>
      ))}
      {clusters.size > CLUSTERS && (
        <p><a href={href("clusters")}>All {clusters.size} clusters</a></p>
      )}
      <Strip title="Outliers" view="issues" part="outlier" rows={sorted([...outliers], "outlier")} />
      <Strip title="Duplicates" view="duplicates" rows={extra} count={dropped()} />
      <Strip title="Suspicious labels" view="labels" rows={sorted([...doubted.rows], "label")} />
    </div>
  );
}
