"""Reads JSON and CSV from outside, held against a schema.

A file may be cut, edited or of another program. Whoever reads one names what
it should hold, as a `msgspec.Struct`, and gets that or one sentence.
"""

from __future__ import annotations

import csv
import pathlib
import types
from collections.abc import Collection
from typing import Any

import msgspec

from and_tf.utils.errors import InputError

# RecursionError: of arrays within arrays, a thousand deep.
_WRONG = (msgspec.MsgspecError, UnicodeError, RecursionError)


class WrongRecordError(ValueError):
    """Raised for content that is not as its schema says; it says where."""


def decode(content: bytes | str, schema: Any) -> Any:
    """Reads JSON.

    Args:
        content: The JSON.
        schema: What it should be: a type as msgspec takes it, or a function
            that chooses one by the plain values.

    Returns:
        The JSON as plain values, with what the schema does not mention.

    Raises:
        WrongRecordError: If it is no JSON, or not as the schema says.
    """
    try:
        value = msgspec.json.decode(content)
    except _WRONG as error:
        raise WrongRecordError(_words(error)) from error
    check(value, schema)
    return value


def check(value: Any, schema: Any) -> None:
    """Holds plain values, such as JSON has, against a schema.

    Args:
        value: The values.
        schema: What they should be, as with `decode`.

    Raises:
        WrongRecordError: If they are not as the schema says.
    """
    try:
        chooses = isinstance(schema, types.FunctionType)
        msgspec.convert(value, schema(value) if chooses else schema)
    except _WRONG as error:
        raise WrongRecordError(_words(error)) from error


def read(path: pathlib.Path, schema: Any, expected: str, remedy: str) -> Any:
    """Reads a JSON file; arguments and result are those of `decode`.

    Args:
        path: The file.
        schema: What it should be.
        expected: What it is, such as "result.json as a run wrote it".
        remedy: What a user can do, in a sentence.

    Raises:
        InputError: If it cannot be read, or is not as the schema says.
    """
    try:
        return decode(path.read_bytes(), schema)
    except (OSError, WrongRecordError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"Expected {expected}. Received: {path}: {words}. {remedy}"
        ) from error


def read_table(
    path: pathlib.Path, counts: Collection[str], needed: str, remedy: str
) -> list[dict[str, Any]]:
    """Reads the numbers of a CSV file whose first line names its columns.

    Args:
        path: The file.
        counts: The columns of integers; others are of floats.
        needed: The column that every row has.
        remedy: What a user can do, in a sentence.

    Returns:
        A dict a row, without what is empty.

    Raises:
        InputError: If it cannot be read, or is no such table.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            return [
                _numbers(row, counts, needed, reader.line_num) for row in reader
            ]
    except (OSError, ValueError, csv.Error) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"Expected rows of numbers. Received: {path}: {words}. {remedy}"
        ) from error


def _numbers(
    row: dict[str, Any], counts: Collection[str], needed: str, line: int
) -> dict[str, Any]:
    if None in row:  # Where `csv` puts the cells that are too many.
        raise ValueError(f"line {line} has more cells than there are columns")
    if not row.get(needed):
        raise ValueError(f"line {line} has no {needed}")
    found: dict[str, Any] = {}
    for name, text in row.items():
        if text:
            try:
                found[name] = int(text) if name in counts else float(text)
            except ValueError as error:
                kind = "integer" if name in counts else "number"
                raise ValueError(
                    f"{name} in line {line} is {text[:40]!r}, no {kind}"
                ) from error
    return found


def _words(error: Exception) -> str:
    """msgspec's words, such as "expected `int`, got `str` - at `$.epochs`"."""
    if isinstance(error, RecursionError):
        return "values within values, too many to be read"
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]
