// One image as a small square, cut out of a sheet of many.

import type { TargetedEvent } from "preact";
import { useState } from "preact/hooks";
import * as data from "./data";
import { apart, current, open, select, selection, toggle } from "./state";

const { columns, rows, sheets } = data.sprites;

/** Where a row's tile is: its sheet, and its column and row there. */
export function place(row: number) {
  const [sheet, position] = [
    Math.floor(row / (columns * rows)),
    row % (columns * rows),
  ];
  return {
    url: `page/${sheets[sheet]}`,
    column: position % columns,
    row: Math.floor(position / columns),
  };
}

/** The picture of a row, `side` CSS pixels wide and high. */
export function Picture({ row, side }: { row: number; side: number }) {
  const at = place(row);
  return (
    <span
      class="picture"
      style={{
        width: `${side}px`,
        height: `${side}px`,
        backgroundImage: `url("${at.url}")`,
        backgroundSize: `${columns * side}px auto`,
        backgroundPosition: `${-at.column * side}px ${-at.row * side}px`,
      }}
    />
  );
}

/** The file itself, over its small picture, once a browser can show it. */
export function Original({ row }: { row: number }) {
  const [there, setThere] = useState(false);
  const url = data.imageUrl(row);
  if (!url) return null;
  return (
    <img
      class="original"
      src={url}
      alt=""
      hidden={!there}
      decoding="async"
      onLoad={() => setThere(true)}
    />
  );
}

let anchor: number | null = null;

/**
 * Does what a click on an image asks for: to open it, or with Ctrl or on its
 * mark to select it, or with Shift to select all from the last one to it.
 */
export function clicked(
  event: TargetedEvent<HTMLElement, MouseEvent>,
  row: number,
  rows: number[],
): void {
  const marked = (event.target as Element).closest(".mark") !== null;
  if (event.shiftKey && anchor !== null && rows.includes(anchor)) {
    const ends = [rows.indexOf(anchor), rows.indexOf(row)];
    const [from, to] = ends.sort((a, b) => a - b);
    select(rows.slice(from, to + 1));
    current.value = row;
  } else if (marked || event.ctrlKey || event.metaKey) {
    toggle(row);
    current.value = row;
  } else {
    open(row);
  }
  anchor = row;
}

/** What a screen reader says of an image. */
export function spoken(row: number): string {
  const words = [data.fileOf(row)];
  if (data.isReference(row)) words.push("reference");
  if (data.flags("is_prototype")?.[row]) words.push("prototype");
  if (data.flags("is_outlier")?.[row]) words.push("outlier");
  return [...words, ...data.tagsOf("issues", row)].join(", ");
}

/** An image among others in a list with a caption, as a button. */
export function TileButton(props: {
  row: number;
  side: number;
  rows: number[];
  caption?: string;
  title?: string;
  /** Whether to show the whole file, and not its middle alone. */
  original?: boolean;
}) {
  const { row, side, rows, caption, title, original } = props;
  const selected = selection.value.has(row);
  const marks = [
    selected && "selected",
    current.value === row && "current",
    apart.value.has(row) && "apart",
  ];
  return (
    <button
      type="button"
      class={["tile", ...marks].filter(Boolean).join(" ")}
      style={{ width: `${side}px` }}
      aria-pressed={selected}
      aria-label={caption ? `${spoken(row)}: ${caption}` : spoken(row)}
      title={title ?? data.fileOf(row)}
      data-row={row}
      onClick={(event) => clicked(event, row, rows)}
      onKeyDown={(event) => stepped(event, row)}
    >
      <Picture row={row} side={side} />
      {original && <Original key={row} row={row} />}
      {!data.isReference(row) && <span class="mark" aria-hidden="true" />}
      {caption && <small dir="auto">{caption}</small>}
    </button>
  );
}

function stepped(
  event: TargetedEvent<HTMLElement, KeyboardEvent>,
  row: number,
): void {
  const here = event.currentTarget;
  const tiles = [
    ...here.parentElement!.querySelectorAll<HTMLElement>(".tile"),
  ];
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (event.key === " ") toggle(row);
  else if (step) tiles[tiles.indexOf(here) + step]?.focus();
  else return;
  event.preventDefault();
}
