"""Reads columns of a CSV, JSON lines or Parquet file, row after row."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from and_tf.data.readers import opening
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import from_csv

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
WANTED = f"a table ({', '.join(ENDINGS)}) whose columns have names"
_BATCH = 2**16
# A function that finds the columns to read among all, in the order of cells.
Choose = Callable[[list[str]], Sequence[str]]
Row = tuple[int, list[Any]]


def rows(path: str, choose: Choose) -> Iterator[Row]:
    """Yields the number of each row, from 1, and its cells.

    Args:
        path: The file; its ending chooses the format.
        choose: Returns the columns to read, of all that there are.

    Raises:
        InputError: If the file cannot be read, or `choose` raises it.
    """
    opening.check_file(path, WANTED)
    ending = os.path.splitext(path)[1].lower()
    read: Callable[[str, Choose], Iterator[Row]]
    if ending == ".parquet":
        read = _parquet
    elif ending in (".jsonl", ".ndjson"):
        read = _json_lines
    elif ending in (".csv", ".tsv"):
        read = _csv
    else:
        told = f"which ends in {ending or 'nothing'}"
        raise opening.refused(path, WANTED, told)
    try:
        yield from read(path, choose)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise opening.refused(
            path,
            WANTED,
            "which is not UTF-8",
            "Save it again in this encoding.",
        ) from error
    # A damaged Parquet file raises errors of pyarrow's own, among others.
    except Exception as error:
        raise opening.refused(path, WANTED, error) from error


def _csv(path: str, choose: Choose) -> Iterator[Row]:
    # Only UTF-8 has no other meaning in each of its bytes, so that a file of
    # another encoding is noticed.
    with (
        opening.opened(path) as content,
        io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as file,
    ):
        head = file.readline()
        file.seek(0)
        marks = "\t,;" if path.lower().endswith(".tsv") else ",;\t"
        mark = max(marks, key=head.count)
        reader = csv.DictReader(file, strict=True, delimiter=mark)
        reader.fieldnames = [n.strip() for n in reader.fieldnames or ()]
        names = choose(list(reader.fieldnames))
        for number, row in enumerate(reader, 1):
            cells = [row[name] or "" for name in names]
            # As and_tf.explore and export.embed write them.
            yield number, [from_csv(cell) for cell in cells]


def _json_lines(path: str, choose: Choose) -> Iterator[Row]:
    """Reads an object a line; the first line's keys are the columns."""
    names: Sequence[str] = ()
    count = 0
    with opening.opened(path) as file:
        for line in file:
            if not line.strip():
                continue
            count += 1
            row = msgspec.json.decode(line)
            if not isinstance(row, dict):
                raise ValueError(f"row {count} is no object of JSON")
            names = names or choose(list(row))
            yield count, [row.get(name) for name in names]


def _parquet(path: str, choose: Choose) -> Iterator[Row]:
    import pyarrow.parquet as pq

    with opening.opened(path) as source, pq.ParquetFile(source) as file:
        count = file.metadata.num_rows
        if count > opening.MOST_ROWS:
            raise ValueError(f"it claims {count:,} rows")
        names = list(choose(file.schema_arrow.names))
        number = 0
        # A few rows at a time: a file of kilobytes may hold a row a billion
        # times, and the caller refuses the second of them.
        for batch in file.iter_batches(_BATCH, columns=names):
            cells = [batch.column(name).to_pylist() for name in names]
            for row in zip(*cells, strict=True):
                number += 1
                yield number, list(row)
