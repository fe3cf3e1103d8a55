"""Reads and writes embeddings as comma-separated values.

The columns are `file_name`, then `label` and `class_name` if the images have
them, then `e0` to `e<D-1>`, each the shortest decimal number that is read as
the same float32. A name that a spreadsheet would run as a formula gets a quote
(') before it, which reading removes.
"""

from __future__ import annotations

import csv
import io
import pathlib
from typing import BinaryIO

import numpy as np

from and_tf.utils.escaping import for_csv, from_csv
from export.embeddings.formats import Rows, Table, class_names_of, name_of


def write(file: BinaryIO, rows: Rows) -> None:
    """Writes all rows, in UTF-8."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    # By default, `csv` does not quote a carriage return, and cannot read it.
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    columns = ["file_name"]
    if rows.labels is not None:
        columns.append("label")
        if rows.class_names is not None:
            columns.append("class_name")
    writer.writerow([*columns, *(f"e{i}" for i in range(rows.embedding_dim))])
    for numbers, embeddings in rows.parts():
        for row, numerals in zip(numbers, embeddings.astype(str), strict=True):
            fields = [for_csv(rows.name(row))]
            if rows.labels is not None:
                fields.append(str(rows.labels[row]))
                if rows.class_names is not None:
                    name = name_of(row, rows.labels, rows.class_names)
                    fields.append(for_csv(name))
            returns = any("\r" in field for field in fields)
            (quoting if returns else writer).writerow(
                [*fields, *numerals.tolist()]
            )
    text.flush()
    text.detach()  # The caller closes the file.


def read(path: pathlib.Path) -> Table:
    """Reads all rows."""
    file_names, labels, class_names, embeddings = [], [], [], []
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        first = _first_number(header)
        for fields in reader:
            if len(fields) != len(header):
                raise ValueError(
                    f"{len(fields)} fields in line {reader.line_num} where "
                    f"{len(header)} are named"
                )
            file_names.append(from_csv(fields[0]))
            if first > 1:
                labels.append(int(fields[1]))
            if first > 2:
                class_names.append(from_csv(fields[2]))
            embeddings.append(np.array(fields[first:], np.float32))
    numbers = np.array(labels, np.int64) if labels else None
    return Table(
        file_names=tuple(file_names),
        embeddings=np.array(embeddings, np.float32),
        labels=numbers,
        class_names=class_names_of(numbers, class_names)
        if class_names and numbers is not None
        else None,
    )


def _first_number(header: list[str]) -> int:
    """Returns the number of columns before e0."""
    named = ["file_name", "label", "class_name"]
    first = header.index("e0") if "e0" in header else 0
    numerals = [f"e{i}" for i in range(len(header) - first)]
    if not first or header != named[:first] + numerals:
        raise ValueError(f"columns {', '.join(header)[:60] or 'of no name'}")
    return first
