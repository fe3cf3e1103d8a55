"""Holds what other tools are given of an exploration, row by row."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from and_tf.utils import atomic_files

REMEDY = "Make room or change --output, then run the same command again."
_ROWS = 4096  # As Python's objects, a row takes some kilobytes.


class WayOut(NamedTuple):
    """A file or directory that was written for another tool.

    Attributes:
        path: The file or directory.
        how: What opens it: a command, or a few words.
        remark: What it leaves out, a few words; "" if that is nothing.
    """

    path: pathlib.Path
    how: str
    remark: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Outgoing:
    """The data of N images that other tools are given.

    Attributes:
        table: The table of `table.SCHEMA`, N rows.
        root: The folder of the images, --images.
        paths: The path of each image, which opens it from the directory that
            the command runs in.
        embeddings: float32 [N, D].
        thumbnails: A JPEG of each image's centre square.
    """

    table: pa.Table
    root: str
    paths: Sequence[str]
    embeddings: np.ndarray
    thumbnails: Sequence[bytes]

    def rows(
        self, columns: Sequence[str], order: np.ndarray | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the path of each image and what is known of it.

        Args:
            columns: The columns of the table that are wanted.
            order: int [m], the rows that are wanted; None for all.

        Yields:
            The path, and the cells by column; those that are null or not
            finite are left out.
        """
        if order is None:
            order = np.arange(len(self.table))
        wanted = self.table.select(columns)
        for start in range(0, len(order), _ROWS):
            some = order[start : start + _ROWS]
            for row, cells in zip(
                some.tolist(), wanted.take(some).to_pylist(), strict=True
            ):
                known = {n: c for n, c in cells.items() if _is_known(c)}
                yield self.paths[row], known

    def known(self, columns: Iterable[str]) -> list[str]:
        """Returns those columns of which something is known."""
        table = self.table
        return [n for n in columns if table[n].null_count < len(table)]

    def texts(self, column: str) -> set[str]:
        """Returns the different texts of a column."""
        return {*self.table[column].unique().to_pylist()} - {None}

    @functools.cached_property
    def writable(self) -> np.ndarray:
        """The mask of paths in UTF-8, as URLs and databases want it, [N]."""
        return np.array([_is_utf8(path) for path in self.paths], bool)


def write_json_rows(
    path: pathlib.Path, before: str, rows: Iterable[Any], after: str
) -> None:
    """Writes JSON with one row a line, never more than one in memory.

    Args:
        path: The file.
        before: What precedes the rows, up to the bracket that opens their list.
        rows: The values of the list.
        after: What follows them, from the bracket that closes it.
    """

    def fill(file: BinaryIO) -> None:
        file.write(before.encode())
        for number, row in enumerate(rows):
            file.write(b",\n" if number else b"\n")
            file.write(json.dumps(row, allow_nan=False).encode())
        file.write(f"\n{after}\n".encode())

    atomic_files.write(path, fill, REMEDY)


def _is_known(cell: Any) -> bool:
    if isinstance(cell, float):
        return math.isfinite(cell)
    return cell is not None


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
