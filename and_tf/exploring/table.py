"""Writes the table of an exploration: one row for each image.

Embedding Atlas 0.26.0 and Renumics Spotlight 1.8.2 opened images.parquet as it
is, and Spotlight showed the images; docs/exploring.md has the commands. Neither
is installed with this project, as they bring PyTorch or change versions.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from and_tf.exploring.outgoing import REMEDY
from and_tf.utils import atomic_files, escaping

PARQUET, CSV = "images.parquet", "images.csv"
_TEXTS, _NUMBERS = pa.list_(pa.string()), pa.list_(pa.int64())
_NEIGHBOURS = pa.struct(
    [("ids", _NUMBERS), ("distances", pa.list_(pa.float32()))]
)
# The columns, in order. A value is null where nothing is known.
SCHEMA = pa.schema([
    ("file", pa.string()),
    ("split", pa.string()),
    ("bytes", pa.int64()),
    ("sha256", pa.string()),
    ("pixels_sha256", pa.string()),
    ("width", pa.int64()),
    ("height", pa.int64()),
    ("aspect", pa.float32()),
    ("taken", pa.string()),
    ("has_place", pa.bool_()),
    ("cluster", pa.int64()),
    ("cluster_name", pa.string()),
    ("cluster_probability", pa.float32()),
    ("is_prototype", pa.bool_()),
    ("entropy", pa.float32()),
    ("neighbour_distance", pa.float32()),
    ("outlier_score", pa.float32()),
    ("is_outlier", pa.bool_()),
    ("duplicate_group", pa.int64()),
    ("duplicate_kind", pa.string()),
    ("keep", pa.bool_()),
    ("reference_file", pa.string()),
    ("reference_kind", pa.string()),
    ("brightness", pa.float32()),
    ("contrast", pa.float32()),
    ("sharpness", pa.float32()),
    ("issues", _TEXTS),
    ("label", pa.string()),
    ("predicted_label", pa.string()),
    ("predicted_probability", pa.float32()),
    ("neighbour_label", pa.string()),
    ("neighbour_label_probability", pa.float32()),
    ("label_score", pa.float32()),
    ("is_label_issue", pa.bool_()),
    ("select_order", pa.int64()),
    ("x", pa.float32()),
    ("y", pa.float32()),
    ("neighbors", _NEIGHBOURS),
    ("neighbour_files", _TEXTS),
])  # fmt: skip


def make(columns: Mapping[str, Any], count: int) -> pa.Table:
    """Makes the table; columns that are not given are null.

    Args:
        columns: Arrays or lists of N values by the names of `SCHEMA`.
        count: N.
    """
    strange = set(columns) - set(SCHEMA.names)
    assert not strange, strange
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(count, field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def neighbours(
    index: Sequence[Sequence[int]], distance: Sequence[Sequence[float]]
) -> list[dict[str, Any]]:
    """Makes the column `neighbors`, as Embedding Atlas reads it."""
    return [
        {"ids": ids, "distances": far}
        for ids, far in zip(index, distance, strict=True)
    ]


def write(table: pa.Table, directory: pathlib.Path) -> None:
    """Writes images.parquet and images.csv.

    In the CSV file lists are joined by "|", and a cell that a spreadsheet
    would take for a formula is escaped.
    """
    atomic_files.write(
        directory / PARQUET,
        lambda file: pa.parquet.write_table(table, file),
        REMEDY,
    )
    flat = _flat(table)
    atomic_files.write(
        directory / CSV, lambda file: pa.csv.write_csv(flat, file), REMEDY
    )


def _flat(table: pa.Table) -> pa.Table:
    """Returns the table with cells that a CSV file can hold."""
    columns = {}
    for name in table.column_names:
        column = table[name]
        if name == "neighbors":
            continue  # The same as neighbour_files.
        if column.type == _TEXTS:
            joined = [
                None if cell is None else "|".join(cell)
                for cell in column.to_pylist()
            ]
            column = pa.array(joined, pa.string())
        if pa.types.is_string(column.type):
            cells = column.to_pylist()
            column = pa.array(
                [None if c is None else escaping.for_csv(c) for c in cells],
                pa.string(),
            )
        columns[name] = column
    return pa.table(columns)
