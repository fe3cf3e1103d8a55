"""Reads JSON and CSV files, and checks them against a schema.

A file may be cut off, edited, or from another program. A caller names the
expected content, as a `msgspec.Struct`, and gets it or a one-sentence error.
"""

from __future__ import annotations

import csv
import pathlib
import types
from collections.abc import Collection
from typing import Any

import msgspec

from and_tf.utils.errors import InputError

# RecursionError: raised for a thousand nested arrays.
_WRONG = (msgspec.MsgspecError, UnicodeError, RecursionError)


class WrongRecordError(ValueError):
    """An error for content that does not fit its schema; it says where."""


def decode(content: bytes | str, schema: Any) -> Any:
    """Decodes JSON, and checks it against a schema.

    Args:
        content: The JSON.
        schema: The schema: a type that msgspec accepts, or a function that
            returns one for the decoded values.

    Returns:
        The decoded values, with those that the schema does not mention.

    Raises:
        WrongRecordError: If `content` is not JSON, or does not fit the schema.
    """
    try:
        value = msgspec.json.decode(content)
    except _WRONG as error:
        raise WrongRecordError(_words(error)) from error
    check(value, schema)
    return value


def check(value: Any, schema: Any) -> None:
    """Checks plain values, such as those of JSON, against a schema.

    Args:
        value: The values.
        schema: The schema, see `decode`.

    Raises:
        WrongRecordError: If the values do not fit the schema.
    """
    try:
        chooses = isinstance(schema, types.FunctionType)
        msgspec.convert(value, schema(value) if chooses else schema)
    except _WRONG as error:
        raise WrongRecordError(_words(error)) from error


def read(path: pathlib.Path, schema: Any, expected: str, remedy: str) -> Any:
    """Reads a JSON file, and checks it against a schema.

    Args:
        path: The file.
        schema: The schema, see `decode`.
        expected: The words of the error for the file that is expected, such as
            "result.json as a run wrote it".
        remedy: The advice in the error, in a sentence.

    Returns:
        The decoded values, see `decode`.

    Raises:
        InputError: If the file cannot be read, or does not fit the schema.
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
        counts: The columns of integers; the others are of floats.
        needed: The column that every row has to have.
        remedy: The advice in the error, in a sentence.

    Returns:
        A dict for each row, without empty cells.

    Raises:
        InputError: If the file cannot be read, or is not such a table.
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
    """Returns an error's words: "expected `int`, got `str` - at `$.epochs`"."""
    if isinstance(error, RecursionError):
        return "values within values, too many to be read"
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]
