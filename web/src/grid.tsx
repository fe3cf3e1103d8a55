// All images of a list, of which only those on the screen are in the page.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as data from "./data";
import { current, detailed, open, select, selection, toggle } from "./state";
import { Picture, clicked, spoken } from "./tile";
import { useLines, useWidth } from "./virtual";

const GAP = 4;
const CAPTION = 34;
export const sides = [64, 96, 144];
/** How wide an image is in grids, in CSS pixels. */
export const side = signal(96);

interface Props {
  rows: number[];
  label: string;
  /** A line or two under each image. */
  caption?: (row: number) => string;
}

export function Grid({ rows, label, caption }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(scroller);
  // Images fill the width, and are never smaller than was chosen.
  const columns = Math.max(
    1, Math.floor((width + GAP) / (side.value + GAP)),
  );
  const fitted = Math.floor((width + GAP) / columns - GAP);
  const tile = width ? Math.min(fitted, side.value * 1.6) : side.value;
  const height = tile + GAP + (caption ? CAPTION : 0);
  const lines = useLines(
    scroller, Math.ceil(rows.length / columns), height,
  );
  const cursor = current.value === null ? -1 : rows.indexOf(current.value);

  useEffect(() => {
    if (cursor >= 0) lines.scrollToIndex(Math.floor(cursor / columns));
  }, [current.value, columns]);
  useEffect(() => {
    if (cursor < 0) lines.scrollToOffset(0);
  }, [rows]);

  function key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(
      scroller.current!.clientHeight / height,
    ));
    const next = moved(event.key, cursor, columns, page, rows.length);
    if (next !== null && rows.length) {
      const row = rows[next];
      if (event.shiftKey) select(cursor < 0 ? [row] : [current.value!, row]);
      current.value = row;
    } else if (event.key === " " && cursor >= 0) toggle(rows[cursor]);
    else if (event.key === "Enter" && cursor >= 0) open(rows[cursor]);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) select(rows);
    else return;
    event.preventDefault();
  }

  return (
    <div
      ref={scroller}
      class="grid scroller"
      role="listbox"
      aria-label={label}
      aria-multiselectable="true"
      aria-activedescendant={cursor >= 0 ? `image-${rows[cursor]}` : undefined}
      tabIndex={0}
      onKeyDown={key}
    >
      <div class="lines" style={{ height: `${lines.getTotalSize()}px` }}>
        {lines.getVirtualItems().map((line) => (
          <div
            key={line.key}
            class="line"
            role="presentation"
            style={{ transform: `translateY(${line.start}px)` }}
          >
            {rows
              .slice(line.index * columns, (line.index + 1) * columns)
              .map((row, i) => (
                <Option
                  key={row}
                  row={row}
                  rows={rows}
                  index={line.index * columns + i}
                  side={tile}
                  caption={caption?.(row)}
                />
              ))}
          </div>
        ))}
      </div>
      {rows.length === 0 && <p class="nothing">No image passes these filters.</p>}
    </div>
  );
}

function Option(props: {
  row: number;
  rows: number[];
  index: number;
  side: number;
  caption?: string;
}) {
  const { row, rows, index, side, caption } = props;
  const selected = selection.value.has(row);
  const marks = [
    selected && "selected",
    current.value === row && (detailed.value ? "current open" : "current"),
  ];
  return (
    <div
      id={`image-${row}`}
      class={["tile", ...marks].filter(Boolean).join(" ")}
      style={{ width: `${side}px` }}
      role="option"
      aria-selected={selected}
      aria-setsize={rows.length}
      aria-posinset={index + 1}
      aria-label={caption ? `${spoken(row)}: ${caption}` : spoken(row)}
      title={data.fileOf(row)}
      data-row={row}
      onClick={(event) => clicked(event, row, rows)}
    >
      <Picture row={row} side={side} />
      <span class="mark" aria-hidden="true" />
      {caption !== undefined && <small dir="auto">{caption}</small>}
    </div>
  );
}

/** Returns where a key leads from a place; null if it leads nowhere. */
function moved(
  key: string, from: number, columns: number, page: number, count: number,
): number | null {
  const steps: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
    PageUp: -columns * page,
    PageDown: columns * page,
    Home: -count,
    End: count,
  };
  if (!(key in steps)) return null;
  if (from < 0) return key === "End" ? count - 1 : 0;
  const next = from + steps[key];
  if (key === "ArrowUp" && next < 0) return from;
  return Math.max(0, Math.min(count - 1, next));
}
