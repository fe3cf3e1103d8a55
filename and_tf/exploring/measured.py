"""Holds what was measured of many images, an array for each measure."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from and_tf.data.walking import Skipped
from and_tf.exploring.store import Row

# The fields of `store.Row`, by how they are collected.
_STACKED = "measures", "grey", "chroma", "embedding"
_LISTED = (
    "sha256", "pixels_sha256", "width", "height", "orientation", "taken",
    "has_place", "truncated", "thumbnail",
)  # fmt: skip
REFERENCE = "reference"  # The split of images to compare others with.


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """The measures of N files that can be read, a row for each.

    A row takes about 10 kB and its embedding. Texts are in tuples.

    Attributes:
        path: The path of each file.
        file: The path below its folder, printable, see `walking.utf8`.
        split: "", or `REFERENCE`.
        is_link: bool, whether the path is a link to a file.
        file_bytes: int64, the size of the file.
        sha256: Of the file, in hexadecimal digits.
        pixels_sha256: Of the upright image, in hexadecimal digits.
        width: int64, of the upright image, in pixels.
        height: int64, of the upright image, in pixels.
        orientation: int64, EXIF's number, 1..8.
        taken: EXIF's time of the photograph, ISO 8601, or "".
        has_place: bool, whether EXIF data have a place.
        truncated: bool, whether only a part of the image could be decoded.
        brightness: float32; for this and the next three, see
            `measures.Measures`.
        contrast: float32.
        sharpness: float32.
        one_colour: float32.
        grey: uint8 [N, 64, 64], the whole image, see `measures.grey`.
        chroma: uint8 [N, 8, 8, 2], its colours, see `measures.chroma`.
        thumbnails: JPEGs of the centre squares.
        embeddings: float32 [N, D].
        skipped: The files that cannot be read, with reasons.
    """

    path: tuple[str, ...]
    file: tuple[str, ...]
    split: tuple[str, ...]
    is_link: np.ndarray
    file_bytes: np.ndarray
    sha256: tuple[str, ...]
    pixels_sha256: tuple[str, ...]
    width: np.ndarray
    height: np.ndarray
    orientation: np.ndarray
    taken: tuple[str, ...]
    has_place: np.ndarray
    truncated: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    sharpness: np.ndarray
    one_colour: np.ndarray
    grey: np.ndarray
    chroma: np.ndarray
    thumbnails: tuple[bytes, ...]
    embeddings: np.ndarray
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.path)

    @functools.cached_property
    def aspect(self) -> np.ndarray:
        """The width over the height, float32 [N]."""
        return (self.width / self.height).astype(np.float32)

    @functools.cached_property
    def is_reference(self) -> np.ndarray:
        """The mask of rows in the split `REFERENCE`, bool [N]."""
        return np.array([name == REFERENCE for name in self.split], bool)

    def take(self, rows: Sequence[int]) -> Measured:
        """Returns some of the rows."""
        chosen: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            values = getattr(self, field.name)
            if field.name == "skipped":
                chosen[field.name] = values
            elif isinstance(values, np.ndarray):
                chosen[field.name] = values[np.asarray(rows, np.int64)]
            else:
                chosen[field.name] = tuple(values[row] for row in rows)
        return Measured(**chosen)


def of_rows(
    paths: Sequence[str],
    files: Sequence[str],
    sizes: Sequence[int],
    rows: Iterable[tuple[int, Row]],
    split: str,
    skipped: Sequence[Skipped],
) -> Measured:
    """Makes arrays of the rows of N ≥ 1 files.

    The rows are copied one by one, so that all of them are never in memory
    beside the arrays.

    Args:
        paths: The paths of the files.
        files: Their printable paths below their folder.
        sizes: Their sizes in bytes.
        rows: The number of each file and what was measured of it, in any order.
        split: The split of all.
        skipped: The files that cannot be read.
    """
    arrays: dict[str, np.ndarray] = {}
    lists: dict[str, list[Any]] = {
        name: [None] * len(paths) for name in _LISTED
    }
    for number, row in rows:
        for name in _STACKED:
            value = getattr(row, name)
            if name not in arrays:
                shape = (len(paths), *value.shape)
                arrays[name] = np.empty(shape, value.dtype)
            arrays[name][number] = value
        for name, values in lists.items():
            values[number] = getattr(row, name)
    brightness, contrast, sharpness, one_colour = arrays["measures"].T.copy()

    def numbers(name: str, dtype: type = np.int64) -> np.ndarray:
        return np.array(lists[name], dtype)

    def texts(name: str) -> tuple[Any, ...]:
        return tuple(lists[name])

    return Measured(
        path=tuple(paths),
        file=tuple(files),
        split=(split,) * len(paths),
        is_link=np.array([os.path.islink(path) for path in paths], bool),
        file_bytes=np.array(sizes, np.int64),
        sha256=texts("sha256"),
        pixels_sha256=texts("pixels_sha256"),
        width=numbers("width"),
        height=numbers("height"),
        orientation=numbers("orientation"),
        taken=texts("taken"),
        has_place=numbers("has_place", bool),
        truncated=numbers("truncated", bool),
        brightness=brightness,
        contrast=contrast,
        sharpness=sharpness,
        one_colour=one_colour,
        grey=arrays["grey"],
        chroma=arrays["chroma"],
        thumbnails=texts("thumbnail"),
        embeddings=arrays["embedding"],
        skipped=tuple(skipped),
    )


def joined(images: Measured, reference: Measured) -> Measured:
    """Puts the rows of two folders after each other.

    If one folder lies in the other, files that are in both are rows of the
    reference alone.
    """
    theirs = set(map(os.path.realpath, reference.path))
    own = images.take([
        row
        for row, path in enumerate(images.path)
        if images.is_link[row] or os.path.realpath(path) not in theirs
    ])  # fmt: skip
    both: dict[str, Any] = {}
    for field in dataclasses.fields(Measured):
        one, two = getattr(own, field.name), getattr(reference, field.name)
        is_array = isinstance(one, np.ndarray)
        both[field.name] = np.concatenate([one, two]) if is_array else one + two
    return Measured(**both)
