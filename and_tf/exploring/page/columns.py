"""Packs a table into few and short texts that a script unpacks quickly."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Nothing on the page reads them; neighbours are packed apart.
LEFT_OUT = ("sha256", "pixels_sha256", "neighbors", "neighbour_files")
_MOST_TAGS = 31  # As many bits as an int32 has beside its sign.
# What `walking.utf8` writes for a byte that is not UTF-8.
_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")


def pack(table: pa.Table) -> dict[str, dict[str, Any]]:
    """Packs the columns of a table for JSON, in their order.

    Args:
        table: The table. Columns without any value are left out.

    Returns:
        For each column its kind and what the kind needs. "number": `type`, the
        name of a typed array of JavaScript, and `data`, its bytes in Base64;
        unknown numbers are NaN. "flag": a byte of 0 or 1 a row. "text":
        `values`, and int32 `data` that says which of them a row has (-1 for
        none), or no `data` if each row has the value of its own number.
        "tags": `values`, and int32 `data` whose bits say which of them a row
        has.
    """
    packed = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if name in LEFT_OUT or column.null_count == len(column):
            continue
        packed[name] = _pack(column)
    return packed


def _pack(column: pa.Array) -> dict[str, Any]:
    if pa.types.is_list(column.type):
        return _tags(column)
    if pa.types.is_string(column.type):
        return _text(column)
    if pa.types.is_boolean(column.type):
        values = column.fill_null(False).to_numpy(zero_copy_only=False)
        return {"kind": "flag", "data": _base64(values.astype(np.uint8))}
    values = _number(column)
    kind = f"{values.dtype.name.capitalize()}Array"
    return {"kind": "number", "type": kind, "data": _base64(values)}


def _number(column: pa.Array) -> np.ndarray:
    """Returns numbers in the smallest of int32, float32, float64 that holds
    them: an integer that is null or large becomes a float64.
    """
    values = column.to_numpy(zero_copy_only=False)  # Nulls are NaN.
    if pa.types.is_floating(column.type):
        return values.astype(f"<f{min(8, column.type.bit_width // 8)}")
    bounds = np.iinfo(np.int32)
    small = not column.null_count and (
        not len(values)
        or (bounds.min <= values.min() and values.max() <= bounds.max)
    )
    return values.astype("<i4" if small else "<f8")


def _text(column: pa.Array) -> dict[str, Any]:
    coded = column.dictionary_encode()
    values = coded.dictionary.to_pylist()
    if len(values) == len(column):
        return {"kind": "text", "values": values}
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return {"kind": "text", "values": values, "data": _base64(codes, "<i4")}


def _tags(column: pa.Array) -> dict[str, Any]:
    values = pc.unique(column.flatten()).drop_null().to_pylist()
    values = sorted(values)[:_MOST_TAGS]
    bit = {value: 1 << i for i, value in enumerate(values)}
    rows = (set(row or ()) for row in column.to_pylist())
    bits = [sum(bit.get(value, 0) for value in row) for row in rows]
    data = _base64(np.array(bits, np.int64), "<i4")
    return {"kind": "tags", "values": values, "data": data}


def most_neighbours(table: pa.Table) -> int:
    """Returns the largest number of neighbours that a row has."""
    ids = _ids(table)
    lengths = pc.list_value_length(ids) if ids is not None else pa.array([])
    return pc.max(lengths).as_py() or 0


def neighbours(table: pa.Table, chunk: int) -> Iterator[dict[str, str]]:
    """Yields the neighbours of every `chunk` rows, in Base64.

    Args:
        table: The table, whose column `neighbors` is a struct of lists.
        chunk: The number of rows that are packed together.

    Yields:
        int32 `ids` and float32 `distances` [rows, k]; a row with fewer than k
        neighbours is filled up with -1 and 0.
    """
    k = most_neighbours(table)
    if not k:
        return
    for start in range(0, table.num_rows, chunk):
        part = table["neighbors"].slice(start, chunk).combine_chunks()
        yield {
            "ids": _base64(_matrix(part.field("ids"), k, -1), "<i4"),
            "distances": _base64(_matrix(part.field("distances"), k, 0), "<f4"),
        }


def _ids(table: pa.Table) -> pa.Array | None:
    if "neighbors" not in table.column_names:
        return None
    return table["neighbors"].combine_chunks().field("ids")


def _matrix(lists: pa.Array, k: int, fill: int) -> np.ndarray:
    """Returns lists as the rows of a matrix [rows, k]."""
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy()
    matrix = np.full((len(lists), k), fill, np.float64)
    # Of each row the first entries are filled, in the order of the values.
    filled = np.arange(k) < lengths[:, None]
    matrix[filled] = lists.flatten().to_numpy(zero_copy_only=False)
    return matrix


def quote(path: str) -> str:
    """Quotes a printable path for a URL, with the bytes that it stands for."""
    surrogates = _BYTE.sub(lambda found: chr(int(f"dc{found[1]}", 16)), path)
    return urllib.parse.quote(surrogates.encode(errors="surrogateescape"))


def _base64(values: np.ndarray, dtype: str | None = None) -> str:
    raw = values.astype(dtype or values.dtype).tobytes()
    return base64.b64encode(raw).decode()
