"""Reads and writes the tables of duplicates that users look at.

`not_duplicates.csv` is theirs: its two columns are files that look like
duplicates and are not. `leaks.csv` lists the images that are in the reference.
"""

from __future__ import annotations

import csv
import io
import pathlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from and_tf.exploring.duplicates import Leak
from and_tf.exploring.measured import Measured
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import for_csv, from_csv

NOT_DUPLICATES, LEAKS = "not_duplicates.csv", "leaks.csv"
COLUMNS = ("file", "other_file")
_LEAK_COLUMNS = ("file", "reference_file", "kind")


def read_apart(path: pathlib.Path, measured: Measured) -> np.ndarray | None:
    """Reads the pairs of files that are no duplicates.

    Args:
        path: A CSV file, with or without a line of `COLUMNS`. Pairs of files
            that are not there any more are passed over.
        measured: The images.

    Returns:
        int64 [A, 2], pairs of rows; None if there is no such file.

    Raises:
        InputError: If it is no table of two columns.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Expected {path} to be a CSV file in UTF-8. Received: {error}. "
            "Save it as one, or remove it."
        ) from error
    rows = defaultdict(list)
    for row, name in enumerate(measured.file):
        rows[name].append(row)
    pairs: set[tuple[int, int]] = set()
    for one, two in _lines(text, path):
        for a in rows.get(one) or rows[from_csv(one)]:
            for b in rows.get(two) or rows[from_csv(two)]:
                if a != b:
                    pairs.add((min(a, b), max(a, b)))
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def write_leaks(
    path: pathlib.Path, leaks: Sequence[Leak], measured: Measured
) -> None:
    """Writes which images are in the reference, too, and how they differ."""
    lines = [
        (measured.file[leak.row], measured.file[leak.reference], leak.kind)
        for leak in leaks
    ]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_LEAK_COLUMNS)
    writer.writerows([for_csv(cell) for cell in line] for line in lines)
    atomic_files.write_text(path, text.getvalue())


def _lines(text: str, path: pathlib.Path) -> list[tuple[str, str]]:
    """Returns the pairs of files.

    Raises:
        InputError: If a line has another number of columns than two.
    """
    lines = []
    try:
        table = csv.reader(io.StringIO(text), strict=True)
        for number, cells in enumerate(table, 1):
            if not any(cells):
                continue
            if len(cells) != len(COLUMNS):
                raise InputError(
                    f"Expected two files in each line of {path}. Received: "
                    f"{len(cells)} cells in line {number}. Put names that "
                    "have a comma into double quotes."
                )
            if number > 1 or tuple(cells) != COLUMNS:
                lines.append((cells[0], cells[1]))
    except csv.Error as error:
        raise InputError(
            f"Expected {path} to be a CSV file. Received: {error}. Mend it, "
            "or remove it."
        ) from error
    return lines
