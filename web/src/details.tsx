// All about one image, and the images that are nearest to it.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import * as data from "./data";
import { baseName, bytes, decimal, percent } from "./format";
import {
  clusterName, current, detailed, groups, href, selection, sentence, toggle,
} from "./state";
import { Original, Picture, TileButton } from "./tile";

export function Details() {
  const row = current.value;
  if (row === null || !detailed.value) return null;
  const selected = selection.value.has(row);
  const reference = data.isReference(row);
  return (
    <aside class="details" aria-label="Details">
      <div class="title">
        <h2 dir="auto" title={data.fileOf(row)}>{baseName(data.fileOf(row))}</h2>
        <button type="button" class="plain" aria-label="Close" title="Close (Esc)" onClick={() => (detailed.value = false)}>✕</button>
      </div>
      <div class="large" role="img" aria-label={data.fileOf(row)}>
        <Picture row={row} side={192} />
        <Original key={row} row={row} />
      </div>
      <div class="buttons">
        {!reference && (
          <button type="button" aria-pressed={selected} title="Space" onClick={() => toggle(row)}>
            {selected ? "Selected" : "Select"}
          </button>
        )}
        {!reference && data.numbers("x") && <a class="button" href={href("map")}>Map</a>}
        {data.imageUrl(row) && (
          <a class="button" href={data.imageUrl(row)!} target="_blank" rel="noreferrer">Open file</a>
        )}
      </div>
      <Reference row={row} />
      <Nearest row={row} />
      <Facts row={row} />
    </aside>
  );
}

const SCORES = [
  "label_score", "outlier_score", "entropy", "neighbour_distance",
  "brightness", "contrast", "sharpness",
];

/** All that is known of a row, as names and values. */
function facts(row: number): [string, ComponentChildren][] {
  const value = (name: string) => data.numbers(name)?.[row] ?? NaN;
  const word = (name: string) => data.text(name)?.at(row) ?? "";
  const sure = (name: string) =>
    Number.isNaN(value(name)) ? "" : ` (${percent(value(name))})`;
  const found: [string, ComponentChildren][] = [["File", data.fileOf(row)]];
  const add = (name: string, content: ComponentChildren) => {
    if (content) found.push([name, content]);
  };
  const addWord = (name: string, column: string, probability: string) =>
    add(name, word(column) && `${word(column)}${sure(probability)}`);

  if (value("width")) add("Pixels", `${value("width")} × ${value("height")}`);
  if (value("bytes") >= 0) add("Size", bytes(value("bytes")));
  add("Taken", word("taken").replace("T", " "));
  add("Place", data.flags("has_place")?.[row] ? "has GPS coordinates" : "");
  add("Split", word("split"));
  if (value("cluster") >= 0) {
    add("Cluster", (
      <>
        <a href={href("clusters", value("cluster"))}>{clusterName(value("cluster"))}</a>
        {sure("cluster_probability")}
      </>
    ));
  }
  add("Label", word("label"));
  addWord("Predicted label", "predicted_label", "predicted_probability");
  addWord("Neighbours’ label", "neighbour_label", "neighbour_label_probability");
  add("Issues", data.tagsOf("issues", row).join(", ").replaceAll("_", " "));
  if (value("duplicate_group") >= 0) {
    const kind = data.flags("keep")?.[row] ? "the one to keep" : word("duplicate_kind");
    const id = value("duplicate_group");
    add("Duplicates", <a href={href("duplicates", id)}>{`${kind || "yes"}, of ${groups.get(id)!.length}`}</a>);
  }
  for (const name of SCORES) {
    if (!Number.isNaN(value(name))) add(sentence(name), decimal(value(name)));
  }
  return found;
}

function Facts({ row }: { row: number }) {
  return (
    <dl class="facts">
      {facts(row).map(([name, content]) => (
        <div key={name}><dt>{name}</dt><dd dir="auto">{content}</dd></div>
      ))}
    </dl>
  );
}

/** The copy of an image that the reference folder holds. */
function Reference({ row }: { row: number }) {
  const copy = data.referenceOf(row);
  if (copy === null) return null;
  const kind = data.text("reference_kind")?.at(row);
  return (
    <section>
      <h3>In the reference folder</h3>
      <div class="copy">
        <TileButton row={copy} side={96} rows={[copy]} original />
        <div>
          <div dir="auto">{data.fileOf(copy)}</div>
          {kind && <div class="quiet">{sentence(kind)} copy</div>}
        </div>
      </div>
    </section>
  );
}

function Nearest({ row }: { row: number }) {
  const [found, setFound] = useState<data.Neighbour[] | null>(null);
  const asked = useRef(row);
  useEffect(() => {
    asked.current = row;
    data.neighboursOf(row).then(
      (near) => asked.current === row && setFound(near),
      () => setFound(null),
    );
  }, [row]);
  if (!found?.length) return null;
  const rows = found.map((each) => each.row);
  return (
    <section>
      <h3>Nearest images</h3>
      <div class="near">
        {found.map(({ row: near, distance }) => (
          <TileButton
            key={near}
            row={near}
            side={72}
            rows={rows}
            caption={(1 - distance).toFixed(2)}
            title={`${data.fileOf(near)}: cosine ${(1 - distance).toFixed(3)}`}
          />
        ))}
      </div>
    </section>
  );
}
