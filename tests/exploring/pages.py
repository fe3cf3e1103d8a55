"""Small explorations for tests of the page, with images and without."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from and_tf.data.walking import utf8
from and_tf.exploring import page

TILE, SIDE = 8, 4  # Pixels of a tile; tiles side by side in a sheet.
TYPES = {
    "file": pa.string(),
    "split": pa.string(),
    "bytes": pa.int64(),
    "sha256": pa.string(),
    "width": pa.int64(),
    "height": pa.int64(),
    "taken": pa.string(),
    "has_place": pa.bool_(),
    "cluster": pa.int64(),
    "cluster_name": pa.string(),
    "cluster_probability": pa.float32(),
    "is_prototype": pa.bool_(),
    "outlier_score": pa.float32(),
    "is_outlier": pa.bool_(),
    "duplicate_group": pa.int64(),
    "duplicate_kind": pa.string(),
    "keep": pa.bool_(),
    "reference_file": pa.string(),
    "reference_kind": pa.string(),
    "brightness": pa.float32(),
    "issues": pa.list_(pa.string()),
    "label": pa.string(),
    "neighbour_label": pa.string(),
    "neighbour_label_probability": pa.float32(),
    "label_score": pa.float32(),
    "is_label_issue": pa.bool_(),
    "select_order": pa.int64(),
    "x": pa.float32(),
    "y": pa.float32(),
    "neighbors": pa.struct(
        [("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float32()))]
    ),
}


@dataclasses.dataclass(frozen=True)
class Sheets:
    """The layout of sheets of `SIDE` × `SIDE` tiles."""

    files: Sequence[str]
    tile: int = TILE
    columns: int = SIDE
    rows: int = SIDE


def table(count: int, **columns: Any) -> pa.Table:
    """Makes a table whose columns are null where they are not given."""
    columns.setdefault("file", [f"folder/{i:06}.png" for i in range(count)])
    return pa.table(
        {
            name: pa.array(columns[name], kind)
            if name in columns
            else pa.nulls(count, kind)
            for name, kind in TYPES.items()
        }
    )


def colour(row: int) -> tuple[int, int, int]:
    """The colour that the tile of a row has, which no other row's has."""
    return 40 + 12 * (row % 16), 40 + 12 * (row // 16 % 16), 120


def sheets(folder: pathlib.Path, count: int) -> Sheets:
    """Writes sheets of tiles of one colour each."""
    folder.mkdir(parents=True)
    names = []
    for start in range(0, count, SIDE**2):
        sheet = Image.new("RGB", (TILE * SIDE,) * 2)
        for i in range(min(SIDE**2, count - start)):
            tile = Image.new("RGB", (TILE, TILE), colour(start + i))
            sheet.paste(tile, (i % SIDE * TILE, i // SIDE * TILE))
        names.append(f"{len(names)}.png")
        sheet.save(folder / names[-1])
    return Sheets(names)


def save_images(root: pathlib.Path, names: Sequence[str]) -> list[str]:
    """Writes small pictures, each of other bytes, and returns their paths."""
    paths = []
    for row, name in enumerate(names):
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            Image.new("RGB", (row + 3, 7), colour(row)).save(file, "PNG")
        paths.append(path)
    return paths


def described(names: Sequence[str], paths: Sequence[str]) -> dict[str, Any]:
    """Returns the columns that say which file a row is."""
    contents = []
    for path in paths:
        with open(path, "rb") as file:
            contents.append(file.read())
    return {
        "file": [utf8(name) for name in names],
        "bytes": [len(content) for content in contents],
        "sha256": [hashlib.sha256(c).hexdigest() for c in contents],
    }


def many(count: int, seed: int = 0) -> pa.Table:
    """Makes a table with something for every view; x and y are corners.

    Cluster 0 is at the left and top, 1 at the right and top, 2 and 3 below.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(count)
    cluster = rows % 4
    group = np.where(rows < count // 4, rows // 3, -1)
    steps = {"dark": 4, "odd_size": 5}
    near = (rows[:, None] + np.arange(1, 6)) % count
    return table(
        count,
        bytes=1000 + rows,
        width=100 + rows,
        height=50 + rows % 7,
        taken=[None if i % 2 else f"2020-01-{1 + i % 28:02}" for i in rows],
        has_place=rows % 5 == 0,
        cluster=cluster,
        cluster_name=[("cats", "dogs", None, "birds")[c] for c in cluster],
        cluster_probability=rng.random(count),
        is_prototype=rows % 10 == 0,
        outlier_score=rng.random(count),
        is_outlier=rows % 9 == 0,
        duplicate_group=group,
        duplicate_kind=[
            "resized" if g >= 0 and i % 3 else None for i, g in enumerate(group)
        ],
        keep=(rows % 3 == 0) | (group < 0),
        brightness=rng.random(count),
        issues=[
            [name for name, step in steps.items() if i % step == 0]
            for i in rows
        ],
        label=[None if i % 6 == 0 else "ab"[i % 2] for i in rows],
        neighbour_label=["ba"[i % 2] for i in rows],
        neighbour_label_probability=rng.random(count),
        label_score=rng.random(count),
        is_label_issue=rows % 7 == 1,
        select_order=[i if i < 5 else None for i in rows],
        x=cluster % 2 * 10 + rng.random(count),
        y=(cluster < 2) * 10 + rng.random(count),
        neighbors=[
            {"ids": ids, "distances": [0.01 * d for d in range(1, 6)]}
            for ids in near.tolist()
        ],
    )  # fmt: skip


def write(
    output: pathlib.Path,
    shown: pa.Table,
    root: pathlib.Path | None = None,
    reference: pathlib.Path | None = None,
    originals: int = 0,
) -> pathlib.Path:
    """Writes a page with sheets, and returns the path of index.html."""
    layout = sheets(output / page.SPRITES, min(shown.num_rows, 256))
    repeated = layout.files * (1 + shown.num_rows // 256)
    relative = os.path.relpath(root or output, output)
    return page.write(
        output,
        shown,
        Sheets(repeated),
        "A <b>title</b>",
        ["A note & <i>more</i>."],
        utf8(relative),
        utf8(os.path.relpath(reference, output)) if reference else None,
        originals,
    )
