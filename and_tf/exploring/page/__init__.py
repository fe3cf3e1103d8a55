"""Writes the page of an exploration, which opens from a disk."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jinja2
import pyarrow as pa

from and_tf.exploring.page import columns
from and_tf.reporting.page import environment
from and_tf.utils import atomic_files

INDEX, FOLDER = "index.html", "page"
SPRITES = f"{FOLDER}/sprites"  # Where the sheets of small pictures are.
REMEDY = "Make room or change --output, then run the same command again."
# Rows whose neighbours are in one file. The page loads such a file when it
# shows an image of it, so that it opens as quickly with many images.
CHUNK = 4096
_HERE = pathlib.Path(__file__).parent


class Sprites(Protocol):
    """The places of the small pictures: tiles of sheets, row by row.

    Attributes:
        tile: The side of a tile in pixels.
        columns: The number of tiles side by side in every sheet. The last
            sheet is as wide as the others.
        rows: The number of tiles one below the other; the last sheet may have
            fewer.
        files: The names of the sheets in the folder `SPRITES` of the output.
    """

    @property
    def tile(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def files(self) -> Sequence[str]: ...


def write(
    output: pathlib.Path,
    table: pa.Table,
    sprites: Sprites,
    title: str,
    notes: Sequence[str],
    images_root_relative: str,
    reference_root_relative: str | None = None,
    originals: int = 0,
) -> pathlib.Path:
    """Writes index.html and the folder page/ beside it.

    The page opens from a disk, where a browser runs scripts and loads images
    but reads no other files: hence the table is a script that assigns to a
    global. It asks nothing of a network. `serving.serve` shows the same page
    by HTTP.

    Args:
        output: The directory of the exploration.
        table: The table of N rows, see `exploring.table.SCHEMA`. Columns that
            are null throughout are left out, and so are those that only
            programs read, such as digests.
        sprites: The layout of the sheets of N tiles, which exist.
        title: The heading, such as the name of the folder.
        notes: Sentences that the first view shows.
        images_root_relative: The path of --images relative to `output`, with
            slashes, printable as by `walking.utf8`.
        reference_root_relative: The path of --reference, likewise; None if
            there is none.
        originals: The number of last rows that are of the reference. They are
            shown beside their copies alone.

    Returns:
        The path of index.html.

    Raises:
        InputError: If a file cannot be written.
    """
    folder = output / FOLDER
    roots = {"images": images_root_relative}
    if reference_root_relative is not None:
        roots["reference"] = reference_root_relative
    for number, chunk in enumerate(columns.neighbours(table, CHUNK)):
        _write(
            folder / "neighbors" / f"{number}.js",
            f"(window.EXPLORE_NEIGHBORS ??= {{}})[{number}]={_json(chunk)}\n",
        )
    packed = {
        "title": title,
        "count": table.num_rows - originals,
        "notes": list(notes),
        "roots": {name: _url(path) for name, path in roots.items()},
        "sprites": _layout(sprites),
        "columns": columns.pack(table),
        "neighbors": {"k": columns.most_neighbours(table), "chunk": CHUNK},
        "digest": _digest(table),
    }
    _write(folder / "data.js", f"window.EXPLORE={_json(packed)}\n")
    _write_static(folder)
    template = jinja2.Environment(autoescape=True).from_string(
        (_HERE / "templates" / "index.html.j2").read_text(encoding="utf-8")
    )
    _write(output / INDEX, template.render(title=title))
    return output / INDEX


def _write_static(folder: pathlib.Path) -> None:
    """Copies what is the same on every page."""
    for name in ("explore.js", "NOTICE", "icon.svg"):
        _write(folder / name, (_HERE / name).read_text(encoding="utf-8"))
    colours = environment().get_template("colours.css").render()
    own = (_HERE / "explore.css").read_text(encoding="utf-8")
    _write(folder / "explore.css", f"{colours}\n{own}")


def _write(path: pathlib.Path, text: str) -> None:
    atomic_files.write_text(path, text, REMEDY)


def _json(value: Mapping[str, Any]) -> str:
    """Returns JSON of ASCII alone, which is JavaScript too."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _layout(sprites: Sprites) -> dict[str, Any]:
    return {
        "tile": sprites.tile,
        "columns": sprites.columns,
        "rows": sprites.rows,
        "sheets": [_url(f"sprites/{name}") for name in sprites.files],
    }


def _url(path: str) -> str:
    """Quotes a path with slashes for a URL."""
    return columns.quote(path)


def _digest(table: pa.Table) -> str:
    """Returns a name for this list of files; a selection is kept under it."""
    digest = hashlib.sha256()
    for file in table["file"].to_pylist():
        digest.update(f"{file}\0".encode())
    return digest.hexdigest()[:16]
