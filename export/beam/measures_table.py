"""Keeps what was measured of images in a table of a pipeline."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from and_tf.exploring import hashes, measured, measures, measuring
from and_tf.exploring.looks import Looks
from and_tf.exploring.measured import Measured
from and_tf.exploring.store import Row
from export.beam import images, shards
from export.beam.images import ImageFile
from export.beam.row_numbers import NAME, PIXELS, SharedNumbers
from export.beam.shards import Shard

ROW_BYTES = 4900  # Of the thumbnails and hashes of a row, about.
_TEXT, _INT, _FLAG = pa.string(), pa.int64(), pa.bool_()
SCHEMA = pa.schema([
    (NAME, _TEXT), ("bytes", _INT), ("is_link", _FLAG), ("sha256", _TEXT),
    (PIXELS, _TEXT), ("width", _INT), ("height", _INT),
    ("orientation", _INT), ("taken", _TEXT), ("has_place", _FLAG),
    ("truncated", _FLAG), ("measures", pa.list_(pa.float32())),
    ("grey", pa.binary()), ("chroma", pa.binary()), ("hash", pa.binary()),
])  # fmt: skip
_OF_ROW = [
    name
    for name in SCHEMA.names
    if name not in (NAME, "bytes", "is_link", "hash")
]
_COMPARED = [NAME, "width", "height", "grey", "hash"]
# Pillow decodes truncated images for all threads of a process or for none.
_DECODING = threading.Lock()


class Measure(beam.DoFn):
    """Measures images as and_tf.explore does."""

    def process(self, element: ImageFile) -> Iterator[Any]:
        """Yields a row of `SCHEMA`, or an `images.unreadable`."""
        with _DECODING:
            try:
                try:
                    row = _measured(element, truncated=False)
                except Exception:  # Pillow raises many kinds.
                    with measuring.parts_of_images():
                        row = _measured(element, truncated=True)
            except Exception as error:
                yield images.unreadable(element.name, error)
                return
        yield row


def _measured(image: ImageFile, truncated: bool) -> dict[str, Any]:
    with images.opened(image.path) as (file, size):
        found, _ = measuring.read_row(file, size, truncated)
    row = {name: getattr(found, name) for name in _OF_ROW}
    row["grey"], row["chroma"] = found.grey.tobytes(), found.chroma.tobytes()
    row["hash"] = hashes.hashes(found.grey[None]).tobytes()
    is_link = os.path.islink(image.path)
    return {NAME: image.name, "bytes": size, "is_link": is_link, **row}


class Reading(beam.DoFn):
    """Reads files of the table.

    Args:
        files: All files of the table.
        numbers: The numbers of their rows.
    """

    def __init__(self, files: Sequence[Shard], numbers: SharedNumbers) -> None:
        self.numbers = numbers
        self._files = files

    def rows(self, place: int) -> Iterator[dict[str, Any]]:
        """Yields the rows of a file."""
        for table in shards.read_groups(self._files[place]):
            yield from table.to_pylist()

    def looks(self, places: Iterable[int]) -> tuple[Looks, np.ndarray]:
        """Reads what images of some files are compared by.

        Returns:
            That of the images that are the first ones of their pixels, in the
            order of their numbers, and these, int64.
        """
        tables = [
            table
            for place in places
            for table in shards.read_groups(self._files[place], _COMPARED)
        ]
        numbers = self.numbers.get()
        columns = {
            name: [v for table in tables for v in table[name].to_pylist()]
            for name in _COMPARED
        }
        rows = numbers.of(columns[NAME])
        order = np.argsort(rows)
        order = order[numbers.alike[rows[order]] == rows[order]]
        return _looks_of(columns, order), rows[order]


def _looks_of(columns: dict[str, list[Any]], chosen: np.ndarray) -> Looks:
    """Makes arrays of the chosen ones of some rows, in their order."""

    def stacked(name: str, dtype: type, side: int) -> np.ndarray:
        some = b"".join(columns[name][row] for row in chosen.tolist())
        return np.frombuffer(some, dtype).reshape(-1, side, side)

    width, height = (
        np.array(columns[name], np.int64)[chosen]
        for name in ("width", "height")
    )
    return Looks(
        stacked("grey", np.uint8, measures.GREY),
        (width / height).astype(np.float32),
        stacked("hash", np.int8, hashes.SIDE),
    )


def measured_of(rows: Sequence[dict[str, Any]]) -> Measured:
    """Makes `Measured` of rows, without embeddings and JPEGs.

    Args:
        rows: At least one row of `SCHEMA`.
    """
    side, small = measures.GREY, measures.CHROMA
    made = [
        Row(
            **{
                **{name: row[name] for name in _OF_ROW},
                "measures": np.array(row["measures"], np.float32),
                "grey": np.frombuffer(row["grey"], np.uint8).reshape(
                    side, side
                ),
                "chroma": np.frombuffer(row["chroma"], np.uint8).reshape(
                    small, small, 2
                ),
            },
            thumbnail=b"",
            embedding=np.zeros(0, np.float32),
        )
        for row in rows
    ]
    names = [row[NAME] for row in rows]
    sizes = [row["bytes"] for row in rows]
    found = measured.of_rows(names, names, sizes, enumerate(made), "", ())
    # The files themselves may lie on another machine.
    links = np.array([row["is_link"] for row in rows], bool)
    return dataclasses.replace(found, is_link=links)
