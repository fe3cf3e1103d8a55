// What page.write put into page/data.js, as columns that are quick to read.

type Buffers = "Int32Array" | "Float32Array" | "Float64Array";

interface Packed {
  kind: "text" | "number" | "flag" | "tags";
  values?: string[];
  type?: Buffers;
  data?: string;
}

interface Written {
  title: string;
  count: number;
  notes: string[];
  roots: Record<string, string>;
  sprites: { tile: number; columns: number; rows: number; sheets: string[] };
  columns: Record<string, Packed>;
  neighbors: { k: number; chunk: number };
  digest: string;
}

declare global {
  interface Window {
    EXPLORE: Written;
    EXPLORE_NEIGHBORS: Record<number, { ids: string; distances: string }>;
  }
}

/** A column of texts: each value once, and for each row which one it has. */
export class Text {
  constructor(
    readonly values: string[],
    readonly codes: Int32Array | null,
  ) {}

  code(row: number): number {
    return this.codes ? this.codes[row] : row;
  }

  at(row: number): string {
    return this.values[this.code(row)] ?? "";
  }
}

export type Numbers = Int32Array | Float32Array | Float64Array;

const written = window.EXPLORE;
/** `count` is the number of images, without those of the reference. */
export const { title, count, notes, sprites, digest } = written;
/** The names of all columns that have any value, in their order. */
export const names = Object.keys(written.columns);

function buffer(base64: string): ArrayBuffer {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

const BUFFERS = { Int32Array, Float32Array, Float64Array };
const decoded = new Map<string, unknown>();

function column<T>(
  name: string,
  kind: Packed["kind"],
  decode: (packed: Packed) => T,
): T | null {
  const packed = written.columns[name];
  if (packed?.kind !== kind) return null;
  if (!decoded.has(name)) decoded.set(name, decode(packed));
  return decoded.get(name) as T;
}

/** Returns a column of texts; null if the table has none of that name. */
export function text(name: string): Text | null {
  return column(name, "text", ({ values, data }) => {
    const codes = data === undefined ? null : new Int32Array(buffer(data));
    return new Text(values!, codes);
  });
}

/** Returns a column of numbers, NaN where unknown; null if there is none. */
export function numbers(name: string): Numbers | null {
  return column<Numbers>(
    name,
    "number",
    ({ type, data }) => new BUFFERS[type!](buffer(data!)),
  );
}

/** Returns a column of 0 and 1; null if there is none. */
export function flags(name: string): Uint8Array | null {
  return column(name, "flag", ({ data }) => new Uint8Array(buffer(data!)));
}

export interface Tags {
  values: string[];
  /** For each row, bit i says whether it has value i. */
  bits: Int32Array;
}

/** Returns a column of sets of words; null if there is none. */
export function tags(name: string): Tags | null {
  return column(name, "tags", ({ values, data }) => ({
    values: values!,
    bits: new Int32Array(buffer(data!)),
  }));
}

/** Returns the words of a row in a column of sets of words. */
export function tagsOf(name: string, row: number): string[] {
  const found = tags(name);
  return found?.values.filter((_, i) => (found.bits[row] >> i) & 1) ?? [];
}

/** Returns the kind of a column. */
export const kindOf = (name: string) => written.columns[name].kind;

const file = text("file")!;
export const served = location.protocol.startsWith("http");

/** Returns the file of a row, as its path below its folder. */
export const fileOf = (row: number) => file.at(row);

/**
 * Returns whether a row is of the folder that the images are compared with.
 * Such rows follow those of the images and are in groups of duplicates alone.
 */
export const isReference = (row: number) => row >= count;

const copies = text("reference_file");
let references: Map<string, number> | null = null;

/** Returns the row of an image's copy in the reference; null if it has none. */
export function referenceOf(row: number): number | null {
  const name = isReference(row) ? "" : copies?.at(row);
  if (!name) return null;
  references ??= new Map(
    file.values.slice(count).map((each, i) => [each, count + i]),
  );
  return references.get(name) ?? null;
}

/**
 * Returns the bytes of a file's name. The table's text stands for bytes that
 * are not UTF-8 by what Python calls surrogates, such as \udcff for 0xff.
 */
export function nameBytes(name: string): Uint8Array {
  const parts = name.split(/\\udc([89a-f][0-9a-f])/);
  const encoder = new TextEncoder();
  const bytes = parts.flatMap((part, i) =>
    i % 2 ? [parseInt(part, 16)] : [...encoder.encode(part)],
  );
  return Uint8Array.from(bytes);
}

function urlOfName(name: string): string {
  return [...nameBytes(name)]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[\w.~/-]/.test(letter)
        ? letter
        : `%${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
}

/** Returns the address of a row's own file; null if its folder is unknown. */
export function imageUrl(row: number): string | null {
  if (served) return `image/${row}`;
  const name = urlOfName(fileOf(row));
  if (name.startsWith("/")) return `file://${name}`;
  const root = written.roots[isReference(row) ? "reference" : "images"];
  return root === undefined ? null : `${root}/${name}`;
}

/** Returns the folder of the images on this disk; null if it is not known. */
export function imagesFolder(): string | null {
  const root = written.roots.images;
  if (served || root === undefined) return null;
  return decodeURIComponent(new URL(root, location.href).pathname);
}

export interface Neighbour {
  row: number;
  distance: number;
}

const loading = new Map<number, Promise<void>>();

function load(chunk: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `page/neighbors/${chunk}.js`;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error(`${script.src} is missing`));
    document.head.append(script);
  });
}

/** Returns the nearest images of a row, nearest first. */
export async function neighboursOf(row: number): Promise<Neighbour[]> {
  const { k, chunk } = written.neighbors;
  if (!k) return [];
  const part = Math.floor(row / chunk);
  if (!loading.has(part)) loading.set(part, load(part));
  await loading.get(part);
  const { ids, distances } = window.EXPLORE_NEIGHBORS[part];
  const from = (row - part * chunk) * k * 4;
  const cut = (text: string) => text.slice(
    Math.floor(from / 3) * 4, Math.ceil((from + k * 4) / 3) * 4,
  );
  const skip = from % 3;
  const near = new DataView(buffer(cut(ids)), skip);
  const far = new DataView(buffer(cut(distances)), skip);
  return Array.from({ length: k }, (_, i) => ({
    row: near.getInt32(4 * i, true),
    distance: far.getFloat32(4 * i, true),
  })).filter((each) => each.row >= 0);
}

/** Groups rows by the value of a column of numbers; negative ones are none. */
export function members(name: string): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  numbers(name)?.forEach((value, row) => {
    if (!(value >= 0)) return;
    const group = groups.get(value);
    if (group) group.push(row);
    else groups.set(value, [row]);
  });
  return groups;
}
