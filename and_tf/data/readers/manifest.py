"""Reads a table of paths, with or without labels and splits."""

from __future__ import annotations

import concurrent.futures
import functools
import ntpath
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from and_tf import storage
from and_tf.data.readers import columns, opening
from and_tf.data.readers.files import FilesReader
from and_tf.data.readers.splits import image_data, listed
from and_tf.data.request import Request
from and_tf.data.split import ImageData
from and_tf.data.walking import Skipped, utf8
from and_tf.utils import paths
from and_tf.utils.errors import InputError

# Names of columns, in the order in which they are looked for, in lower case.
PATHS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image",
    "image_path", "image_file", "image_name", "img", "img_path", "img_name",
)  # fmt: skip
LABELS = (
    "label", "class", "class_name", "label_name", "labels", "category",
    "target",
)  # fmt: skip
SPLITS = ("split", "subset", "set", "partition", "fold")
_MISSING = "that are not there"


class _Rows(NamedTuple):
    """The rows of a split."""

    paths: list[str]
    labels: list[Any]


def load(request: Request) -> ImageData:
    """Makes streamed splits of the files that a table names.

    Args:
        request: What the user asks for. Paths are relative to the table, and
            lie below its directory, or are URLs of object stores. Files that
            are not there are left out.

    Raises:
        InputError: If the table cannot be read, lacks a column, or has a path
            twice or one that is not relative.
    """
    path, splits, labelled = request.place, dict[str, _Rows](), False
    seen: dict[str, int] = {}

    def choose(names: list[str]) -> Sequence[str]:
        nonlocal labelled
        chosen = _columns(names, request)
        labelled = bool(chosen[1])
        return [name for name in chosen if name]

    has_split = None
    for number, cells in columns.rows(path, choose):
        if has_split is None:
            has_split = len(cells) == 2 + labelled
        name = _name(cells[0], number, path)
        if seen.setdefault(name, number) != number:
            raise InputError(
                f"Expected each path once in {path}. Received: {name} in rows "
                f"{seen[name]:,} and {number:,}. Keep one of them."
            )
        if len(seen) > opening.MOST_ROWS:
            raise InputError(
                f"Expected at most {opening.MOST_ROWS:,} rows in {path}."
            )
        split = str(cells[-1] or "").strip() if has_split else ""
        rows = splits.setdefault(split, _Rows([], []))
        rows.paths.append(name)
        rows.labels.append(cells[1] if labelled else None)
    if not splits:
        raise opening.refused(path, columns.WANTED, "which has no rows")
    root, url = os.path.dirname(path), request.url.rpartition("/")[0]
    return image_data(
        request,
        {
            name: functools.partial(_reader, root, rows, labelled, url)
            for name, rows in splits.items()
        },
    )


def find(names: Sequence[str], usual: Sequence[str]) -> str:
    """Returns the column with the first of some usual names, "" for none."""
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in usual if name in by_lower), "")


def _columns(names: list[str], request: Request) -> tuple[str, str, str]:
    """Returns the columns of paths, labels and splits; "" for none.

    Raises:
        InputError: If a column that is asked for is not there, or none is
            that of paths.
    """
    for flag in ("image_key", "label_key", "split_key"):
        wanted = getattr(request, flag)
        if wanted and wanted not in names:
            raise InputError(
                f"Expected --{flag} to be a column of {request.data_dir}: "
                f"{listed(names)}. Received: {wanted!r}."
            )
    path = request.image_key or find(names, PATHS)
    if not path:
        raise InputError(
            f"Expected a column of paths in {request.data_dir}, such as "
            f"{', '.join(PATHS[:4])}. Received the columns {listed(names)}. "
            "Name it with --image_key."
        )
    others = [name for name in names if name != path]
    label = request.label_key or find(others, LABELS)
    others = [name for name in others if name != label]
    split = request.split_key or find(others, SPLITS)
    if split and split in (path, label):
        raise InputError(
            "Expected --image_key, --label_key and --split_key to be three "
            f"columns. Received {split!r} twice."
        )
    return path, label, split


def _name(cell: object, number: int, table: str) -> str:
    """Returns the path in a cell, without needless parts.

    Raises:
        InputError: If it is none, or leads out of the table's directory.
    """
    told = ""
    if not isinstance(cell, str) or not cell.strip():
        told = "no path"
        if isinstance(cell, (dict, bytes)):
            told = "an image in its place; --dataset=huggingface reads those"
    elif paths.is_url(cell):
        return paths.read("data_dir", cell, urls=True)
    elif os.path.isabs(cell) or ntpath.splitdrive(cell)[0]:
        told = f"the absolute path {cell[:200]}"
    elif ".." in re.split(r"[/\\]", cell) or "\0" in cell:
        told = f"{cell[:200]!r}"
    if told:
        raise InputError(
            f"Expected paths in {table} that are relative to it and stay "
            f"below its directory. Received: {told} in row {number:,}."
        )
    assert isinstance(cell, str)
    return os.path.normpath(cell)


def _reader(root: str, rows: _Rows, labelled: bool, url: str) -> FilesReader:
    """Makes a reader of the files that are there.

    Args:
        root: The directory of the table.
        rows: The rows of a split.
        labelled: Whether they have labels.
        url: The URL of that directory, if the table lies in an object store.
    """
    files = _brought(root, rows.paths, url)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        there = list(pool.map(opening.is_file, files))
    good = [number for number, found in enumerate(there) if found]
    return FilesReader(
        root,
        [rows.paths[number] for number in good],
        [rows.labels[number] for number in good] if labelled else None,
        tuple(
            Skipped(utf8(path), _MISSING)
            for path, found in sorted(zip(rows.paths, there, strict=True))
            if not found
        ),
        [files[number] for number in good],
    )


def _brought(root: str, names: Sequence[str], url: str) -> list[str]:
    """Returns the path of each file, after those of URLs were fetched.

    Raises:
        InputError: If an object store cannot be read.
    """
    urls = {
        name: name if paths.is_url(name) else f"{url}/{name}"
        for name in names
        if url or paths.is_url(name)
    }
    places = storage.fetched_files(list(urls.values())) if urls else []
    fetched = dict(zip(urls, places, strict=True))
    return [fetched.get(n) or os.path.join(root, n) for n in names]
