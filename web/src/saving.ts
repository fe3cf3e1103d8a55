// Files that the reader takes away: tables, and scripts for a shell.

import * as data from "./data";

/** Lets the browser save a file. */
function save(name: string, parts: BlobPart[], type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// A spreadsheet runs such cells as formulas. The quote before them is what
// and_tf.utils.escaping writes and takes away.
const FORMULA = /^[=+\-@\t\r']/;

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function cellOfText(text: string): string {
  return quoted(FORMULA.test(text) ? `'${text}` : text);
}

function cell(name: string, row: number): string {
  switch (data.kindOf(name)) {
    case "text":
      return cellOfText(data.text(name)!.at(row));
    case "flag":
      return data.flags(name)![row] ? "true" : "false";
    case "tags": // As in images.csv.
      return quoted(data.tagsOf(name, row).join("|"));
    default: {
      const column = data.numbers(name)!;
      const value = column[row];
      if (Number.isNaN(value)) return "";
      const single = column instanceof Float32Array;
      return String(single ? Number(value.toPrecision(7)) : value);
    }
  }
}

/** Returns a table of rows as lines of CSV, with a heading. */
export function csv(rows: Iterable<number>): string {
  const lines = [data.names.join(",")];
  for (const row of rows) {
    lines.push(data.names.map((name) => cell(name, row)).join(","));
  }
  return `${lines.join("\n")}\n`;
}

export function saveTable(rows: Iterable<number>): void {
  save("selection.csv", [csv(rows)], "text/csv;charset=utf-8");
}

/** Saves pairs of files that are no duplicates, for the next pass to read. */
export function savePairs(pairs: [number, number][]): void {
  const lines = pairs.map((pair) =>
    pair.map((row) => cellOfText(data.fileOf(row))).join(","),
  );
  const text = ["file,other_file", ...lines, ""].join("\n");
  save("not_duplicates.csv", [text], "text/csv;charset=utf-8");
}

export type Action = "move" | "link";

/** Quotes a word for a POSIX shell: nothing in it means anything. */
const word = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

const COMMANDS = { move: "mv --", link: "ln -s --" };

function preamble(action: Action, count: number): string {
  const folder = data.imagesFolder();
  const images = folder === null
    ? `\${2:?"say where the images are: sh ${action}.sh TARGET IMAGES"}`
    : "${2:-$known}";
  const verb = action === "move" ? "Moves" : "Links";
  return `#!/bin/sh
# ${verb} ${count} files that were selected on a page of and_tf.explore. Nothing
# that exists is written over, and what is missing is named and passed by.
#
#     sh ${action}.sh TARGET [IMAGES]
#
# TARGET is a folder, which is made; the files keep their folders below it.
# IMAGES is the folder that they are in now.
set -eu
target=\${1:?"say where to: sh ${action}.sh TARGET"}
${folder === null ? "" : `known=${word(folder)}\n`}images=${images}
mkdir -p -- "$target"
target=$(cd -- "$target" && pwd)
images=$(cd -- "$images" && pwd)
failed=0
take() {
  if [ ! -e "$images/$1" ]; then
    printf 'missing: %s\\n' "$images/$1" >&2; failed=1; return
  fi
  if [ -e "$target/$1" ] || [ -L "$target/$1" ]; then
    printf 'there already: %s\\n' "$target/$1" >&2; failed=1; return
  fi
  case $1 in */*) mkdir -p -- "$target/\${1%/*}" ;; esac
  ${COMMANDS[action]} "$images/$1" "$target/$1" || failed=1
}
`;
}

/** Returns a script that moves or links the files of rows. */
export function script(rows: Iterable<number>, action: Action): BlobPart[] {
  const all = [...rows];
  const lines = all.flatMap((row) => [
    "take ",
    data.nameBytes(word(data.fileOf(row))) as BlobPart,
    "\n",
  ]);
  return [preamble(action, all.length), ...lines, "exit $failed\n"];
}

export function saveScript(rows: Iterable<number>, action: Action): void {
  save(`${action}.sh`, script(rows, action), "text/x-shellscript");
}
