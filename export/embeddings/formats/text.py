"""Reads and writes embeddings as comma-separated values.

The columns are `file_name`, then `label` and `class_name` if the images have
them, then `e0` to `e<D-1>`, each the shortest decimal number that is read as
the same float32. A name that a spreadsheet would run as a formula gets a quote
(') before it, which reading removes.
"""

from __future__ import annotations

import pathlib
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv

from and_tf.utils.escaping import for_csv, from_csv
from export.embeddings.formats import Rows, Table, class_names_of

_TYPES = {
    "file_name": pa.string(),
    "label": pa.int64(),
    "class_name": pa.string(),
}


def write(file: BinaryIO, rows: Rows) -> None:
    """Writes all rows, in UTF-8."""
    writer: csv.CSVWriter | None = None
    for numbers, embeddings in rows.parts():
        numerals = {f"e{i}": column for i, column in enumerate(embeddings.T)}
        table = pa.table({**rows.named(numbers, for_csv), **numerals})
        writer = writer or csv.CSVWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def read(path: pathlib.Path) -> Table:
    """Reads all rows."""
    table = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=_TYPES, null_values=[]),
    )
    first = _first_number(table.column_names)
    columns = table.columns
    names = [from_csv(name) for name in columns[0].to_pylist()]
    labels = columns[1].to_numpy() if first > 1 else None
    class_names = None
    if first > 2 and labels is not None:
        named = [from_csv(name) for name in columns[2].to_pylist()]
        class_names = class_names_of(labels, named)
    numbers = [column.cast(pa.float32()) for column in columns[first:]]
    return Table(
        file_names=tuple(names),
        embeddings=np.stack([column.to_numpy() for column in numbers], axis=1),
        labels=labels,
        class_names=class_names,
    )


def _first_number(header: list[str]) -> int:
    """Returns the number of columns before e0."""
    named = list(_TYPES)
    first = header.index("e0") if "e0" in header else 0
    numerals = [f"e{i}" for i in range(len(header) - first)]
    if not first or header != named[:first] + numerals:
        raise ValueError(f"columns {', '.join(header)[:60] or 'of no name'}")
    return first
