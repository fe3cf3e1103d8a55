"""Tables of embeddings in .npz, .csv, .parquet and .tfrecord files.

A row is an image's `file_name`, its `embedding`, float32 [D], and, where the
images have labels, its `label`, -1 for none, and `class_name`. What is written
is read again to the bit.
"""

from __future__ import annotations

import os
import pathlib
from types import ModuleType
from typing import BinaryIO

import numpy as np

from and_tf.utils.errors import InputError
from export.embeddings.formats import Rows, Table

SUFFIXES = (".npz", ".csv", ".parquet", ".tfrecord")


def check_suffix(path: str | os.PathLike[str], flag: str) -> None:
    """Raises an InputError where the path is of none of the formats."""
    if pathlib.Path(path).suffix not in SUFFIXES:
        raise InputError(
            f"Expected {flag} to end in {', '.join(SUFFIXES)}. Received: "
            f"{os.fspath(path)!r}."
        )


def write(file: BinaryIO, suffix: str, rows: Rows) -> None:
    """Writes a table.

    Args:
        file: Open for writing, and with a name, as some formats' writers open
            it again.
        suffix: Of `SUFFIXES`.
        rows: What to write.

    Raises:
        OSError: There is no room.
    """
    _format(suffix).write(file, rows)


def read(path: str | os.PathLike[str]) -> Table:
    """Reads a table.

    Raises:
        InputError: It is not there, damaged or of other content.
    """
    path = pathlib.Path(path)
    check_suffix(path, "a file of embeddings")
    if not path.is_file():
        raise InputError(
            f"Expected a file of embeddings. Received: {path}, which is not "
            "there. Make one with python -m export.embed."
        )
    try:
        table = _format(path.suffix).read(path)
        _check(table)
    # Each format's reader answers what is broken with kinds of its own.
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"Expected {path} to be a whole {path.suffix} file of embeddings. "
            f"Received: {said[:200]}. Make it anew with python -m export.embed."
        ) from error
    return table


def _check(table: Table) -> None:
    count = len(table.file_names)
    embeddings, labels = table.embeddings, table.labels
    if embeddings.ndim != 2 or embeddings.dtype != np.float32:
        raise ValueError(
            f"embeddings {embeddings.dtype} {list(embeddings.shape)}"
        )
    if not count or len(embeddings) != count:
        raise ValueError(f"{count} names, {len(embeddings)} embeddings")
    texts = *table.file_names, *(table.class_names or ())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("names that are no texts")
    if labels is None:
        return
    if len(labels) != count or labels.dtype != np.int64:
        raise ValueError(f"labels {labels.dtype} {list(labels.shape)}")
    if table.class_names and labels.max() >= len(table.class_names):
        raise ValueError(f"label {labels.max()} without a name")


def _format(suffix: str) -> ModuleType:
    """The module that reads and writes it, with the libraries it needs."""
    if suffix == ".npz":
        from export.embeddings.formats import npz as module
    elif suffix == ".csv":
        from export.embeddings.formats import text as module
    elif suffix == ".parquet":
        from export.embeddings.formats import parquet as module
    else:
        from export.embeddings.formats import tfrecord as module
    return module
