// The map: all images as points, to zoom into, colour and select from.

import { effect, signal } from "@preact/signals";
import { select as selectNode } from "d3-selection";
import { zoom, zoomIdentity, type ZoomTransform } from "d3-zoom";
import { useEffect, useRef, useState } from "preact/hooks";
import { choices, colouring, pixel } from "./colours";
import * as data from "./data";
import { number } from "./format";
import { Scatter, type Point } from "./scatter";
import {
  cluster, current, label, open, passing, select, selection,
} from "./state";
import { Picture } from "./tile";

const colour = signal(choices[0]?.[0] ?? "");
const lasso = signal(false);
const FURTHEST = 400;
const MOST_NAMES = 200;

/** What a mouse, a finger or a key does to the map. */
interface Controls {
  zoomBy(factor: number): void;
  pan(x: number, y: number): void;
  fit(): void;
}

interface Hover {
  row: number;
  at: Point;
}

export function MapView() {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const controls = useRef<Controls | null>(null);
  const [hover, setHover] = useState<Hover | null>(null);
  const [path, setPath] = useState<Point[]>([]);
  useEffect(
    () => attach(box.current!, canvas.current!, controls, setHover, setPath),
    [],
  );

  function key(event: KeyboardEvent): void {
    const c = controls.current!;
    const actions: Record<string, () => void> = {
      "+": () => c.zoomBy(1.5),
      "=": () => c.zoomBy(1.5),
      "-": () => c.zoomBy(1 / 1.5),
      "0": () => c.fit(),
      ArrowLeft: () => c.pan(60, 0),
      ArrowRight: () => c.pan(-60, 0),
      ArrowUp: () => c.pan(0, 60),
      ArrowDown: () => c.pan(0, -60),
    };
    if (event.ctrlKey || event.metaKey || !actions[event.key]) return;
    actions[event.key]();
    event.preventDefault();
  }

  return (
    <div class="map">
      <div
        ref={box}
        class={lasso.value ? "plot lasso" : "plot"}
        tabIndex={0}
        role="application"
        aria-label="Map of the images. Arrows move it, plus and minus zoom, 0 shows all."
        onKeyDown={key}
      >
        <canvas ref={canvas} />
        {path.length > 1 && (
          <svg aria-hidden="true">
            <polygon points={path.map((point) => point.join(",")).join(" ")} />
          </svg>
        )}
        {hover && <Tip {...hover} />}
      </div>
      <div class="controls">
        <button type="button" title="Zoom in (+)" aria-label="Zoom in" onClick={() => controls.current!.zoomBy(2)}>+</button>
        <button type="button" title="Zoom out (−)" aria-label="Zoom out" onClick={() => controls.current!.zoomBy(0.5)}>−</button>
        <button type="button" title="Show all (0)" onClick={() => controls.current!.fit()}>Fit</button>
        <button
          type="button"
          aria-pressed={lasso.value}
          title="Draw around images to select them; or hold Shift"
          onClick={() => (lasso.value = !lasso.value)}
        >
          Lasso
        </button>
      </div>
      <LegendBox />
    </div>
  );
}

function Tip({ row, at: [x, y] }: Hover) {
  return (
    <div class="tip" style={{ left: `${x}px`, top: `${y}px` }}>
      <Picture row={row} side={96} />
      <small dir="auto">{data.fileOf(row)}</small>
    </div>
  );
}

function LegendBox() {
  const { legend } = colouring(colour.value);
  const filter = { cluster, label }[colour.value];
  return (
    <div class="legend">
      <label>
        Colour{" "}
        <select value={colour.value} onChange={(event) => (colour.value = event.currentTarget.value)}>
          {choices.map(([id, name]) => <option key={id} value={id}>{name}</option>)}
        </select>
      </label>
      {legend.scale && (
        <div class="scale">
          <i style={{ background: `linear-gradient(to right, ${legend.scale.colours.join(", ")})` }} />
          <span>{legend.scale.low}</span><span>{legend.scale.high}</span>
        </div>
      )}
      {legend.names && (
        <ul>
          {legend.names.slice(0, MOST_NAMES).map(({ name, colour: fill, count, value }) => (
            <li key={value}>
              <button
                type="button"
                class="plain"
                disabled={!filter}
                aria-pressed={filter?.value === value}
                onClick={() => filter && (filter.value = filter.value === value ? "" : value)}
              >
                <i style={{ background: fill }} />
                <span dir="auto">{name}</span> <b>{number(count)}</b>
              </button>
            </li>
          ))}
          {legend.names.length > MOST_NAMES && (
            <li class="quiet">and {number(legend.names.length - MOST_NAMES)} more</li>
          )}
        </ul>
      )}
    </div>
  );
}

/** Connects the canvas with d3-zoom, the pointer and the state. */
function attach(
  box: HTMLElement,
  canvas: HTMLCanvasElement,
  controls: { current: Controls | null },
  setHover: (hover: Hover | null) => void,
  setPath: (path: Point[]) => void,
): () => void {
  let view: ZoomTransform = zoomIdentity;
  let frame = 0;
  const night = matchMedia("(prefers-color-scheme: dark)");
  const scatter = new Scatter(canvas, () => redraw());

  function draw(): void {
    const style = getComputedStyle(box);
    const value = (name: string) => style.getPropertyValue(name).trim();
    scatter.draw({
      view,
      pixels: colouring(colour.peek()).pixels,
      passing: passing.peek(),
      selected: selection.peek(),
      current: current.peek(),
      paper: pixel(value("--paper")),
      quiet: pixel(value("--quiet")),
      ink: pixel(value("--ink")),
      inkName: value("--ink"),
    });
  }
  function redraw(): void {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  }

  const behaviour = zoom<HTMLElement, unknown>()
    .scaleExtent([0.5, FURTHEST])
    .filter((event) => !lasso.peek() && !event.shiftKey && !event.button || event.type === "wheel")
    .on("zoom", ({ transform }) => {
      view = transform;
      setHover(null);
      redraw();
    });
  const node = selectNode(box).call(behaviour);
  controls.current = {
    zoomBy: (factor) => node.call(behaviour.scaleBy, factor),
    pan: (x, y) => node.call(behaviour.translateBy, x / view.k, y / view.k),
    fit: () => node.call(behaviour.transform, zoomIdentity),
  };

  const at = (event: MouseEvent): Point => {
    const { left, top } = box.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const near = (event: MouseEvent) => scatter.nearest(at(event), view, passing.peek());
  let path: Point[] = [];
  let drawn = false;
  const pointer = {
    pointerdown(event: PointerEvent) {
      drawn = false;
      if (event.button || !(lasso.peek() || event.shiftKey)) return;
      path = [at(event)];
      box.setPointerCapture(event.pointerId);
      event.preventDefault();
    },
    pointermove(event: PointerEvent) {
      if (path.length) {
        path.push(at(event));
        setPath([...path]);
      } else if (event.pointerType === "mouse" && !event.buttons) {
        const row = near(event);
        setHover(row === null ? null : { row, at: at(event) });
      }
    },
    pointerup() {
      drawn = path.length > 3;
      if (drawn) select(scatter.within(path, view, passing.peek()));
      path = [];
      setPath([]);
    },
    pointercancel() {
      path = [];
      setPath([]);
    },
    pointerleave: () => setHover(null),
    click(event: MouseEvent) {
      const row = drawn ? null : near(event);
      if (row !== null) open(row);
    },
  };
  for (const [name, listener] of Object.entries(pointer)) {
    box.addEventListener(name, listener as EventListener);
  }

  const size = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = box;
    scatter.resize(width, height, devicePixelRatio);
    draw();
  });
  size.observe(box);
  night.addEventListener("change", redraw);
  const stop = effect(() => {
    void [colour.value, passing.value, selection.value, current.value];
    redraw();
  });
  // The element leaves with its listeners.
  return () => {
    stop();
    size.disconnect();
    night.removeEventListener("change", redraw);
    cancelAnimationFrame(frame);
  };
}
