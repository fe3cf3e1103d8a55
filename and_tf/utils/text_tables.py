"""Reads tables of two columns that users write, such as files and labels."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterator

from and_tf.utils.errors import InputError

Columns = tuple[str, str]


def read_pairs(
    path: str | pathlib.Path,
    columns: Columns,
    flag: str,
    *,
    blanks: bool = False,
) -> list[tuple[int, str, str]]:
    """Reads two columns of a CSV file whose first line names its columns.

    Args:
        path: The file. It may have more columns.
        columns: The names of the two columns.
        flag: The name of the flag that names the file, for errors.
        blanks: Whether rows without a second cell are passed over, in place of
            being an error.

    Returns:
        The line and the two cells of each row, none empty.

    Raises:
        InputError: If the file cannot be read, or a row lacks one of the two.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            return list(_rows(reader, columns, blanks))
    except (OSError, ValueError, csv.Error) as error:
        raise refused(path, columns, flag, error) from error


def read_mapping(
    path: str | pathlib.Path,
    columns: Columns,
    flag: str,
    *,
    blanks: bool = False,
) -> dict[str, str]:
    """Reads a table that gives each key one value.

    Args:
        path: The file, as for `read_pairs`.
        columns: The column of keys and that of values.
        flag: The name of the flag that names the file, for errors.
        blanks: Whether keys without a value are passed over.

    Raises:
        InputError: If the file cannot be read, a row lacks one of the two, or
            two rows contradict each other.
    """
    found: dict[str, str] = {}
    for line, key, value in read_pairs(path, columns, flag, blanks=blanks):
        before = found.setdefault(key, value)
        if before != value:
            told = ValueError(
                f"{key!r} has the {columns[1]} {before!r} and, in line {line}, "
                f"{value!r}"
            )
            raise refused(path, columns, flag, told)
    return found


def refused(
    path: str | pathlib.Path, columns: Columns, flag: str, error: Exception
) -> InputError:
    """Makes the error for a table that does not fit."""
    words = getattr(error, "strerror", None) or str(error)
    if isinstance(error, UnicodeDecodeError):
        words = "it is no text in UTF-8"
    return InputError(
        f"Expected a table for --{flag}, a CSV file with the columns "
        f"{columns[0]} and {columns[1]}. Received: {path}: {words}."
    )


def _rows(
    reader: csv.DictReader, columns: Columns, blanks: bool
) -> Iterator[tuple[int, str, str]]:
    """Yields the line and the two cells of each row.

    Raises:
        ValueError: If a column is missing, or a row lacks a cell.
    """
    there = [column or "" for column in reader.fieldnames or ()]
    if not there:
        raise ValueError("it is empty")
    for name in columns:
        if name not in there:
            raise ValueError(
                f"it has no column {name!r}, only {', '.join(there)}"
            )
    for row in reader:
        first, second = ((row[name] or "").strip() for name in columns)
        if first and not second and blanks:
            continue
        for name, cell in zip(columns, (first, second), strict=True):
            if not cell:
                raise ValueError(f"line {reader.line_num} has no {name}")
        yield reader.line_num, first, second
