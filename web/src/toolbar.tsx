// Filters above all views, and what can be done with the selection below.

import type { Signal } from "@preact/signals";
import { useState } from "preact/hooks";
import * as data from "./data";
import { counted, number } from "./format";
import { side, sides } from "./grid";
import { saveScript, saveTable } from "./saving";
import {
  clearFilters, cluster, clusterName, clusters, filtered, label, only, order,
  orders, passing, query, route, select, selection, sentence, shown, split, subsets, views,
} from "./state";

export function Tabs() {
  return (
    <nav aria-label="Views">
      {views.map(([view, name]) => (
        <a
          key={view}
          href={`#${view}`}
          aria-current={route.value.view === view ? "page" : undefined}
        >
          {name}
        </a>
      ))}
    </nav>
  );
}

const MOST_OPTIONS = 1000;

function Choice(props: {
  name: string;
  chosen: Signal<string>;
  options: [string, string][];
  all?: string;
}) {
  const { name, chosen, options, all } = props;
  // Of more, a search finds one sooner than a list does.
  if (!options.length || options.length > MOST_OPTIONS) return null;
  return (
    <select
      aria-label={name}
      value={chosen.value}
      class={all && chosen.value ? "set" : ""}
      onChange={(event) => (chosen.value = event.currentTarget.value)}
    >
      {all && <option value="">{all}</option>}
      {options.map(([id, text]) => <option key={id} value={id}>{text}</option>)}
    </select>
  );
}

const clusterOptions = [...clusters.keys()]
  .sort((a, b) => a - b)
  .map((id): [string, string] => [String(id), clusterName(id)]);
const labelOptions = (data.text("label")?.values ?? [])
  .filter(Boolean)
  .sort((a, b) => a.localeCompare(b))
  .map((name): [string, string] => [name, name]);
const splitOptions = (data.text("split")?.values ?? [])
  .filter((name) => name && name !== "reference")
  .map((name): [string, string] => [name, sentence(name)]);
const subsetOptions = [...subsets].map(([id, { name }]): [string, string] => [id, name]);
const orderOptions = [...orders].map(([id, { name }]): [string, string] => [id, name]);
const sizeNames = ["Small", "Medium", "Large"];

export function Filters() {
  const [more, setMore] = useState(false);
  const view = route.value.view;
  if (view === "overview") return null;
  const isGrid = !["map", "duplicates"].includes(view) &&
    (view !== "clusters" || route.value.part !== "");
  let count = 0;
  for (const passes of passing.value) count += passes;
  return (
    <div class={more ? "toolbar unfolded" : "toolbar"} role="search">
      <input
        id="query"
        type="search"
        placeholder="Search names and labels"
        aria-label="Search names and labels"
        autocomplete="off"
        spellcheck={false}
        value={query.value}
        onInput={(event) => (query.value = event.currentTarget.value)}
      />
      <button type="button" class="fold" aria-expanded={more} onClick={() => setMore(!more)}>
        Filters
      </button>
      <div class="choices">
        <Choice name="Subset" chosen={only} options={subsetOptions} all="All images" />
        <Choice name="Cluster" chosen={cluster} options={clusterOptions} all="All clusters" />
        <Choice name="Label" chosen={label} options={labelOptions} all="All labels" />
        <Choice name="Split" chosen={split} options={splitOptions} all="All splits" />
        {isGrid && <Choice name="Order" chosen={order} options={orderOptions} all="Usual order" />}
        {isGrid && (
          <select
            aria-label="Size of images"
            value={side.value}
            onChange={(event) => (side.value = Number(event.currentTarget.value))}
          >
            {sides.map((each, i) => <option key={each} value={each}>{sizeNames[i]}</option>)}
          </select>
        )}
      </div>
      <span class="count" role="status">
        {filtered.value ? `${number(count)} of ${counted(data.count, "image")}` : counted(data.count, "image")}
      </span>
      {filtered.value && <button type="button" class="plain" onClick={clearFilters}>Clear filters</button>}
      {(view === "images" || view === "map") && (
        <button type="button" class="plain" title="Ctrl+A in the grid" onClick={() => select(shown.value)}>
          Select all
        </button>
      )}
    </div>
  );
}

export function SelectionBar() {
  const count = selection.value.size;
  if (!count) return null;
  const rows = () => selection.value;
  return (
    <div class="selection" role="region" aria-label="Selection">
      <b role="status">{number(count)} selected</b>
      <button type="button" class="main" onClick={() => saveTable(rows())}>Save as CSV</button>
      <button type="button" title="A shell script that moves these files" onClick={() => saveScript(rows(), "move")}>Script to move</button>
      <button type="button" title="A shell script that links to these files" onClick={() => saveScript(rows(), "link")}>Script to link</button>
      <button type="button" class="plain" onClick={() => select([...rows()], false)}>Clear</button>
    </div>
  );
}
