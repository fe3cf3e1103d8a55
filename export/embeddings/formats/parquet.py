"""Reads and writes embeddings as a Parquet file, with a row group per part.

The columns are `file_name` (string) and `embedding`
(fixed_size_list<float32>[D]); if the images have labels, also `label` (int64)
and `class_name` (string). The names of all classes are stored as JSON in the
metadata of the schema.
"""

from __future__ import annotations

import json
import pathlib
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from export.embeddings.formats import Rows, Table

_CLASSES = b"class_names"


def write(file: BinaryIO, rows: Rows) -> None:
    """Writes all rows."""
    schema = _schema(rows)
    with pq.ParquetWriter(file, schema) as writer:
        for numbers, embeddings in rows.parts():
            vectors = pa.FixedSizeListArray.from_arrays(
                pa.array(embeddings.ravel()), rows.embedding_dim
            )
            columns = {**rows.named(numbers), "embedding": vectors}
            writer.write_table(pa.table(columns, schema=schema))


def read(path: pathlib.Path) -> Table:
    """Reads all rows."""
    table = pq.read_table(path)
    column = table.column("embedding")
    if not pa.types.is_fixed_size_list(column.type):
        raise ValueError(f"a column embedding of {column.type}")
    flat = [c.flatten().to_numpy() for c in column.chunks]
    labels = class_names = None
    if "label" in table.column_names:
        labels = table.column("label").to_numpy()
        metadata = table.schema.metadata or {}
        if _CLASSES in metadata:
            class_names = tuple(json.loads(metadata[_CLASSES]))
    return Table(
        file_names=tuple(table.column("file_name").to_pylist()),
        embeddings=np.concatenate(flat).reshape(-1, column.type.list_size),
        labels=labels,
        class_names=class_names,
    )


def _schema(rows: Rows) -> pa.Schema:
    embedding = pa.list_(pa.float32(), rows.embedding_dim)
    fields = [("file_name", pa.string()), ("embedding", embedding)]
    metadata = {}
    if rows.labels is not None:
        fields.append(("label", pa.int64()))
        if rows.class_names is not None:
            fields.append(("class_name", pa.string()))
            metadata[_CLASSES] = json.dumps(rows.class_names)
    return pa.schema(fields, metadata)
