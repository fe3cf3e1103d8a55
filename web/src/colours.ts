// Colours of points: one for each name, or a scale for a score.

import { hcl, rgb } from "d3-color";
import { interpolateViridis, schemeObservable10 } from "d3-scale-chromatic";
import * as data from "./data";
import { decimal } from "./format";
import { clusterName, clusters, sentence } from "./state";

/** Red, green and blue in one number, as an ImageData holds them. */
export type Pixel = number;

export function pixel(colour: string): Pixel {
  const { r, g, b } = rgb(colour);
  return (255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r);
}

const GOLDEN_ANGLE = 137.508;

/** Returns a colour for the i-th name; neighbours in number look different. */
export function category(i: number): string {
  if (i < schemeObservable10.length) return schemeObservable10[i];
  const lightness = [62, 72, 54][i % 3];
  return hcl((i * GOLDEN_ANGLE) % 360, 55, lightness).formatHex();
}

export interface Legend {
  /** Names with their colours and counts, the most frequent first. */
  names?: { name: string; colour: string; count: number; value: string }[];
  /** A scale from the lowest to the highest colour. */
  scale?: { low: string; high: string; colours: string[] };
}

export interface Colouring {
  pixels: Int32Array;
  legend: Legend;
}

const NONE = "#8a939c";

function byCode(
  code: (row: number) => number,
  entries: { code: number; name: string; count: number; value: string }[],
): Colouring {
  const sorted = [...entries].sort((a, b) => b.count - a.count);
  const names = sorted.map((entry, i) => ({ ...entry, colour: category(i) }));
  const pixels = new Map(names.map((entry) => [entry.code, pixel(entry.colour)]));
  const none = pixel(NONE);
  return {
    pixels: Int32Array.from(
      { length: data.count }, (_, row) => pixels.get(code(row)) ?? none,
    ),
    legend: { names },
  };
}

function byCluster(): Colouring {
  const ids = data.numbers("cluster")!;
  const entries = [...clusters].map(([id, rows]) => ({
    code: id, name: clusterName(id), count: rows.length, value: String(id),
  }));
  return byCode((row) => ids[row], entries);
}

function byText(name: string): Colouring {
  const column = data.text(name)!;
  const counts = new Map<number, number>();
  for (let row = 0; row < data.count; row++) {
    const code = column.code(row);
    if (column.values[code]) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  const entries = [...counts].map(([code, count]) => ({
    code, name: column.values[code], count, value: column.values[code],
  }));
  return byCode((row) => column.code(row), entries);
}

const STEPS = 256;
// The ends of the scale hardly differ from a dark or a white page.
const SCALE = Array.from(
  { length: STEPS }, (_, i) => interpolateViridis(0.12 + (0.83 * i) / (STEPS - 1)),
);

function byScore(name: string): Colouring {
  const values = data.numbers(name)!;
  const known = Float64Array.from(values.filter((v) => !Number.isNaN(v))).sort();
  // A few extremes would leave all others in one colour.
  const at = (share: number) => known[Math.round(share * (known.length - 1))] ?? 0;
  const [low, high] = [at(0.01), at(0.99)];
  const pixels = SCALE.map(pixel);
  const none = pixel(NONE);
  return {
    pixels: Int32Array.from(values, (value) => {
      if (Number.isNaN(value)) return none;
      const share = high > low ? (value - low) / (high - low) : 0.5;
      return pixels[Math.round(Math.min(1, Math.max(0, share)) * (STEPS - 1))];
    }),
    legend: {
      scale: {
        low: decimal(low),
        high: decimal(high),
        colours: [0, 0.25, 0.5, 0.75, 1].map((s) => SCALE[Math.round(s * (STEPS - 1))]),
      },
    },
  };
}

const SCORES = [
  "outlier_score", "entropy", "neighbour_distance", "cluster_probability",
  "label_score", "brightness", "contrast", "sharpness", "aspect",
];

/** What points can be coloured by, with the words for it. */
export const choices: [string, string][] = [
  ...(clusters.size ? [["cluster", "Cluster"] as [string, string]] : []),
  ...["label", "predicted_label", "neighbour_label", "split"]
    .filter((name) => data.text(name))
    .map((name): [string, string] => [name, sentence(name)]),
  ...SCORES.filter((name) => data.numbers(name)).map(
    (name): [string, string] => [name, sentence(name)],
  ),
];

const cache = new Map<string, Colouring>();

export function colouring(name: string): Colouring {
  if (!cache.has(name)) {
    const make = name === "cluster" ? byCluster
      : data.text(name) ? () => byText(name) : () => byScore(name);
    cache.set(name, make());
  }
  return cache.get(name)!;
}
