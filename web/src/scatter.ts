// Draws points into a canvas, pixel by pixel: 100,000 of them in a frame, on
// machines without a GPU too. WebGL libraries compile code from strings, which
// the page's Content-Security-Policy forbids.

import { quadtree, type Quadtree } from "d3-quadtree";
import { polygonContains } from "d3-polygon";
import type { Pixel } from "./colours";
import { place } from "./tile";
import * as data from "./data";

export interface View {
  /** Scale, and translation in CSS pixels, as d3-zoom has them. */
  k: number;
  x: number;
  y: number;
}

export interface Scene {
  view: View;
  pixels: Int32Array;
  passing: Uint8Array;
  selected: ReadonlySet<number>;
  current: number | null;
  paper: Pixel;
  quiet: Pixel;
  ink: Pixel;
  inkName: string;
}

export type Point = [number, number];

const MARGIN = 24;
// So many images in sight are shown as such, and not as points.
const MOST_IMAGES = 250;
const MOST_SHEETS = 12;

/** Puts the points of a table on a canvas. */
export class Scatter {
  private readonly xs: Float64Array;
  private readonly ys: Float64Array;
  private context: CanvasRenderingContext2D;
  private image: ImageData | null = null;
  private side = 0;
  private left = 0;
  private top = 0;
  private ratio = 1;
  private tree: Quadtree<number> | null = null;
  private treeOf: Uint8Array | null = null;
  private sheets = new Map<string, HTMLImageElement>();

  /** `changed` is called when a sheet of images has been loaded. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly changed: () => void,
  ) {
    this.xs = unit(data.numbers("x")!);
    this.ys = unit(data.numbers("y")!);
    this.context = canvas.getContext("2d")!;
  }

  resize(width: number, height: number, ratio: number): void {
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.side = Math.max(1, Math.min(width, height) - 2 * MARGIN);
    this.left = (width - this.side) / 2;
    this.top = (height - this.side) / 2;
    this.image = this.context.createImageData(
      this.canvas.width, this.canvas.height,
    );
  }

  /** Returns where a row is, in CSS pixels. */
  where(row: number, { k, x, y }: View): Point {
    return [
      x + k * (this.left + this.side * this.xs[row]),
      y + k * (this.top + this.side * (1 - this.ys[row])),
    ];
  }

  draw(scene: Scene): void {
    if (!this.image) return;
    const buffer = new Int32Array(this.image.data.buffer);
    buffer.fill(scene.paper);
    const seen = this.drawPoints(buffer, scene);
    this.context.putImageData(this.image, 0, 0);
    this.context.save();
    this.context.scale(this.ratio, this.ratio);
    if (seen.length <= MOST_IMAGES) this.drawImages(seen, scene);
    this.drawRing(scene);
    this.context.restore();
  }

  /** Draws all points, those that pass last; returns the latter in sight. */
  private drawPoints(buffer: Int32Array, scene: Scene): number[] {
    const { view, pixels, passing, selected } = scene;
    const radius = this.ratio * radiusOf(data.count, view.k);
    const plain = disc(radius);
    const marked = disc(radius + 1.5 * this.ratio);
    const { width, height } = this.canvas;
    const seen: number[] = [];
    const chosen: number[] = [];
    const each = (row: number, mask: Disc, colour: Pixel, share: number) => {
      const [x, y] = this.where(row, view);
      stamp(buffer, width, height, x * this.ratio, y * this.ratio, mask, colour, share);
    };
    for (let row = 0; row < data.count; row++) {
      if (!passing[row]) each(row, plain, scene.quiet, 0.16);
    }
    for (let row = 0; row < data.count; row++) {
      if (!passing[row] || Number.isNaN(this.xs[row])) continue;
      const [x, y] = this.where(row, view);
      if (x < -MARGIN || y < -MARGIN) continue;
      if (x * this.ratio > width + MARGIN || y * this.ratio > height + MARGIN) continue;
      if (seen.length <= MOST_IMAGES) seen.push(row);
      if (selected.has(row)) chosen.push(row);
      else each(row, plain, pixels[row], 0.85);
    }
    for (const row of chosen) {
      each(row, marked, scene.ink, 1);
      each(row, plain, pixels[row], 1);
    }
    return seen;
  }

  private drawImages(rows: number[], scene: Scene): void {
    const { tile } = data.sprites;
    const side = Math.max(28, Math.min(64, 640 / Math.sqrt(rows.length)));
    let loading = 0;
    for (const row of rows) {
      const at = place(row);
      const sheet = this.sheet(at.url, loading);
      if (!sheet) loading++;
      if (!sheet?.complete || !sheet.naturalWidth) continue;
      const [x, y] = this.where(row, scene.view);
      const [left, top] = [x - side / 2, y - side / 2];
      const selected = scene.selected.has(row);
      this.context.fillStyle = selected
        ? scene.inkName : css(scene.pixels[row]);
      const edge = selected ? 3 : 2;
      this.context.fillRect(left - edge, top - edge, side + 2 * edge, side + 2 * edge);
      this.context.drawImage(
        sheet, at.column * tile, at.row * tile, tile, tile, left, top, side, side,
      );
    }
  }

  /** Returns a sheet once it is decoded; asks for it if it is not there. */
  private sheet(url: string, loading: number): HTMLImageElement | null {
    const found = this.sheets.get(url);
    if (found) return found;
    if (loading >= MOST_SHEETS) return null;
    const image = new Image();
    image.src = url;
    this.sheets.set(url, image);
    image.decode().then(this.changed, () => undefined);
    return image;
  }

  private drawRing({ current, view, inkName }: Scene): void {
    if (current === null || Number.isNaN(this.xs[current])) return;
    const [x, y] = this.where(current, view);
    this.context.strokeStyle = inkName;
    this.context.lineWidth = 2;
    this.context.beginPath();
    this.context.arc(x, y, 9, 0, 2 * Math.PI);
    this.context.stroke();
  }

  /** Returns the passing row that is nearest to a place; null if none is near. */
  nearest([px, py]: Point, view: View, passing: Uint8Array): number | null {
    if (this.treeOf !== passing) {
      const rows = [...this.xs.keys()].filter(
        (row) => passing[row] && !Number.isNaN(this.xs[row]),
      );
      this.tree = quadtree<number>()
        .x((row) => this.xs[row])
        .y((row) => this.ys[row])
        .addAll(rows);
      this.treeOf = passing;
    }
    const scale = view.k * this.side;
    const x = (px - view.x) / scale - this.left / this.side;
    const y = 1 - ((py - view.y) / scale - this.top / this.side);
    return this.tree!.find(x, y, 16 / scale) ?? null;
  }

  /** Returns the passing rows inside a polygon of CSS pixels. */
  within(polygon: Point[], view: View, passing: Uint8Array): number[] {
    const rows: number[] = [];
    for (let row = 0; row < data.count; row++) {
      if (!passing[row]) continue;
      if (polygonContains(polygon, this.where(row, view))) rows.push(row);
    }
    return rows;
  }
}

/** Scales values to 0 … 1; those that are unknown stay NaN. */
function unit(values: data.Numbers): Float64Array {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const range = high - low || 1;
  return Float64Array.from(values, (value) => (value - low) / range);
}

/** Few points are drawn larger than many, and near ones than far ones. */
function radiusOf(count: number, k: number): number {
  const base = Math.min(4, Math.max(1.3, 160 / Math.sqrt(count)));
  return Math.min(6, base * Math.sqrt(Math.max(1, k)) ** 0.8);
}

interface Disc {
  size: number;
  /** How much of each of size × size pixels is covered, 0 … 255. */
  cover: Uint8Array;
}

const discs = new Map<number, Disc>();

function disc(radius: number): Disc {
  const key = Math.round(4 * radius) / 4;
  const found = discs.get(key);
  if (found) return found;
  const half = Math.ceil(key);
  const size = 2 * half + 1;
  const cover = Uint8Array.from({ length: size * size }, (_, i) => {
    const far = Math.hypot((i % size) - half, Math.floor(i / size) - half);
    return 255 * Math.min(1, Math.max(0, key + 0.5 - far));
  });
  discs.set(key, { size, cover });
  return { size, cover };
}

/** Blends a disc of a colour into a picture, around (x, y). */
function stamp(
  buffer: Int32Array, width: number, height: number, x: number, y: number,
  { size, cover }: Disc, colour: Pixel, share: number,
): void {
  const half = (size - 1) / 2;
  const left = Math.round(x) - half;
  const top = Math.round(y) - half;
  // Also false for NaN, the place of an image that is not on the map.
  if (!(left > -size && top > -size && left < width && top < height)) return;
  const [r, g, b] = [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  const firstX = Math.max(0, -left);
  const lastX = Math.min(size, width - left);
  const lastY = Math.min(size, height - top);
  for (let j = Math.max(0, -top); j < lastY; j++) {
    for (let i = firstX; i < lastX; i++) {
      const a = cover[j * size + i] * share;
      if (!a) continue;
      const at = (top + j) * width + left + i;
      const old = buffer[at];
      const [or, og, ob] = [old & 255, (old >> 8) & 255, (old >> 16) & 255];
      buffer[at] = (255 << 24)
        | ((ob + ((b - ob) * a) / 255) << 16)
        | ((og + ((g - og) * a) / 255) << 8)
        | (or + ((r - or) * a) / 255);
    }
  }
}

const css = (p: Pixel) => `rgb(${p & 255} ${(p >> 8) & 255} ${(p >> 16) & 255})`;
