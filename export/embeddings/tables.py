"""Reads and writes tables of embeddings: .npz, .csv, .parquet and .tfrecord.

A row has an image's `file_name` and its `embedding`, float32 [D]. If the images
have labels, it also has a `label`, -1 for none, and a `class_name`. Reading
gives the same values, to the bit, as were written. Beside a table stand other
files, which have its name with a further ending.
"""

from __future__ import annotations

import os
import pathlib
from types import ModuleType
from typing import BinaryIO

import numpy as np

from and_tf.utils import paths
from and_tf.utils.errors import InputError
from export.embeddings.formats import Rows, Table

SUFFIXES = (".npz", ".csv", ".parquet", ".tfrecord")


def check_suffix(path: str | os.PathLike[str], flag: str) -> None:
    """Checks that the suffix of a path is one of `SUFFIXES`.

    Args:
        path: The path to check.
        flag: Name of the flag, or of the file, in the error message.

    Raises:
        InputError: If the suffix is another one.
    """
    if pathlib.Path(path).suffix not in SUFFIXES:
        raise InputError(
            f"Expected {flag} to end in {', '.join(SUFFIXES)}. Received: "
            f"{os.fspath(path)!r}."
        )


def write(file: BinaryIO, suffix: str, rows: Rows) -> None:
    """Writes a table.

    Args:
        file: A file that is open for writing and has a name, because the
            writers of some formats open it again.
        suffix: The format, one of `SUFFIXES`.
        rows: The rows to write.

    Raises:
        OSError: If the file cannot be written.
    """
    _format(suffix).write(file, rows)


def read(path: str | os.PathLike[str]) -> Table:
    """Reads a table.

    Args:
        path: The file of the table.

    Raises:
        InputError: If the file does not exist, is damaged or does not hold
            embeddings.
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
    # Each format's reader raises its own types for broken files.
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"Expected {path} to be a whole {path.suffix} file of embeddings. "
            f"Received: {said[:200]}. Make it again with "
            "python -m export.embed."
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
    """Imports the module of a format, with only the libraries it needs."""
    if suffix == ".npz":
        from export.embeddings.formats import npz

        return npz
    if suffix == ".csv":
        from export.embeddings.formats import text

        return text
    if suffix == ".parquet":
        from export.embeddings.formats import parquet

        return parquet
    from export.embeddings.formats import tfrecord

    return tfrecord


def sidecar(output: pathlib.Path) -> pathlib.Path:
    """Returns the path of a table's sidecar: JSON that says how it was made."""
    return output.with_name(output.name + ".json")


def skipped_list(output: pathlib.Path) -> pathlib.Path:
    """Returns the path of the file that lists the unreadable images."""
    return output.with_name(output.name + ".skipped.txt")


def parts_directory(output: pathlib.Path) -> pathlib.Path:
    """Returns the directory for the parts of an unfinished table."""
    return output.with_name(output.name + ".parts")


def check_output(output: pathlib.Path) -> None:
    """Checks that a table and the files beside it can be written.

    Args:
        output: The file of the table.

    Raises:
        InputError: If a file exists already, the suffix is not known or the
            directory cannot be written to.
    """
    check_suffix(output, "--output")
    # A job that was killed at its very end has left the files beside it.
    unfinished = parts_directory(output).exists()
    beside = () if unfinished else (sidecar(output), skipped_list(output))
    for path in (output, *beside):
        if path.exists():
            raise InputError(
                f"Expected a new --output. Received: {path}, which is there "
                "already. Remove it or choose another."
            )
    paths.check_output("output", output)
