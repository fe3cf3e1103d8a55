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
from and_tf.utils import atomic_files, text_tables
from and_tf.utils.escaping import for_csv, from_csv

NOT_DUPLICATES, LEAKS = "not_duplicates.csv", "leaks.csv"
COLUMNS = ("file", "other_file")
_LEAK_COLUMNS = ("file", "reference_file", "kind")


def read_apart(path: pathlib.Path, measured: Measured) -> np.ndarray | None:
    """Reads the pairs of files that are no duplicates.

    Args:
        path: A CSV file with the `COLUMNS`. Pairs of files that are not there
            any more are passed over.
        measured: The images.

    Returns:
        int64 [A, 2], pairs of rows; None if there is no such file.

    Raises:
        InputError: If it is no such table.
    """
    if not path.exists():
        return None
    table = text_tables.read_pairs(path, COLUMNS, "output")
    rows = defaultdict(list)
    for row, name in enumerate(measured.file):
        rows[name].append(row)
    pairs: set[tuple[int, int]] = set()
    for _, one, two in table:
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
