// The page: a heading, filters, a view, the details of an image.

import { render } from "preact";
import { useRef } from "preact/hooks";
import { ClusterList, ClusterPage } from "./clusters";
import * as data from "./data";
import { Details } from "./details";
import { Duplicates } from "./duplicates";
import { Issues, Labels } from "./findings";
import { Grid } from "./grid";
import { MapView } from "./map";
import { Overview } from "./overview";
import {
  current, detailed, go, query, route, shown, toggle,
} from "./state";
import { Filters, SelectionBar, Tabs } from "./toolbar";

function Images() {
  return <Grid rows={shown.value} label="Images" />;
}

function CurrentView() {
  const { view, part } = route.value;
  switch (view) {
    case "images":
      return <Images />;
    case "map":
      return <MapView />;
    case "clusters":
      return part ? <ClusterPage key={part} /> : <ClusterList />;
    case "duplicates":
      return <Duplicates />;
    case "issues":
      return <Issues />;
    case "labels":
      return <Labels />;
    default:
      return <Overview />;
  }
}

const KEYS: [string, string][] = [
  ["← → ↑ ↓", "go to another image"],
  ["Space", "select it, or not"],
  ["Shift + arrow", "select on the way"],
  ["Enter", "open its details"],
  ["Esc", "close the details"],
  ["/", "search"],
  ["Ctrl + A", "select all that are shown"],
  ["+ − 0", "zoom the map, show all of it"],
];

function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <>
      <button type="button" class="plain help" aria-label="Keys" title="Keys (?)" id="help" onClick={() => dialog.current!.showModal()}>?</button>
      <dialog ref={dialog} aria-label="Keys">
        <h2>Keys</h2>
        <dl class="facts">
          {KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
        </dl>
        <p class="quiet">Click on the mark in an image’s corner selects it, as does Ctrl + click; Shift + click selects a range.</p>
        <form method="dialog"><button>Close</button></form>
      </dialog>
    </>
  );
}

function Page() {
  return (
    <>
      <header>
        <h1 dir="auto">{data.title}</h1>
        <Tabs />
        <Help />
      </header>
      <Filters />
      <div class={detailed.value ? "body with-details" : "body"}>
        <main><CurrentView key={route.value.view} /></main>
        <Details />
      </div>
      <SelectionBar />
    </>
  );
}

/** The list or map that keys without another meaning go to. */
const target = () => document.querySelector<HTMLElement>("[role=listbox], .plot");

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const from = event.target as HTMLElement;
  const writing = from.matches("input, select, textarea");
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (writing && query.value) query.value = "";
    else if (writing) target()?.focus();
    else if (detailed.value) detailed.value = false;
    else return;
  } else if (writing) {
    return;
  } else if (event.key === "/") {
    if (route.value.view === "overview") go("images");
    requestAnimationFrame(() => document.getElementById("query")?.focus());
  } else if (event.key === "?") {
    document.getElementById("help")?.click();
  } else if (from === document.body && /^(Arrow|Home|End|Page)/.test(event.key) && target()) {
    const list = target()!;
    list.focus();
    list.dispatchEvent(new KeyboardEvent("keydown", event));
  } else if (event.key === " " && from === document.body && current.value !== null) {
    toggle(current.value);
  } else return;
  event.preventDefault();
});

render(<Page />, document.getElementById("page")!);
