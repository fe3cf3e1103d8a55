"""Reads and writes embeddings as NumPy arrays, which `numpy.load` opens.

The keys are `file_names` (text [N]) and `embeddings` (float32 [N, D]); if the
images have labels, also `labels` (int64 [N]) and `class_names` (text [C]).
"""

from __future__ import annotations

import contextlib
import pathlib
import zipfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from export.embeddings.formats import Rows, Table

_BLOCK = 4096  # The number of names that are encoded at a time.


def write(file: BinaryIO, rows: Rows) -> None:
    """Writes all rows, without holding names or embeddings in memory."""
    with zipfile.ZipFile(file, "w") as archive:
        width = max(map(len, map(rows.name, range(rows.count))), default=1)
        dtype = np.dtype(f"U{max(width, 1)}")
        blocks = _names(rows, dtype)
        _member(archive, "file_names", (rows.count,), dtype, blocks)
        _member(
            archive,
            "embeddings",
            (rows.count, rows.embedding_dim),
            np.dtype(np.float32),
            rows.embeddings(),
        )
        if rows.labels is not None:
            labels = rows.labels
            _member(archive, "labels", labels.shape, labels.dtype, [labels])
        if rows.class_names is not None:
            names = np.array(rows.class_names)
            _member(archive, "class_names", names.shape, names.dtype, [names])


def read(path: pathlib.Path) -> Table:
    """Reads all rows."""
    with contextlib.closing(np.load(path, allow_pickle=False)) as arrays:
        labels = arrays["labels"] if "labels" in arrays else None
        names = arrays["class_names"] if "class_names" in arrays else None
        return Table(
            file_names=tuple(arrays["file_names"].tolist()),
            embeddings=arrays["embeddings"],
            labels=labels,
            class_names=None if names is None else tuple(names.tolist()),
        )


def _names(rows: Rows, dtype: np.dtype) -> Iterator[np.ndarray]:
    for first in range(0, rows.count, _BLOCK):
        block = range(first, min(first + _BLOCK, rows.count))
        yield np.array([rows.name(row) for row in block], dtype)


def _member(
    archive: zipfile.ZipFile,
    key: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    blocks: Iterable[np.ndarray],
) -> None:
    """Writes one array, block after block."""
    # The entry has no time of writing, so that equal tables give equal files.
    info = zipfile.ZipInfo(f"{key}.npy")
    with archive.open(info, "w", force_zip64=True) as file:
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data.cast("B"))
