"""Reads which images a user has marked as no duplicates."""

from __future__ import annotations

import pathlib
from collections import defaultdict

import numpy as np

from and_tf.exploring.measured import Measured
from and_tf.utils import text_tables
from and_tf.utils.escaping import from_csv

COLUMNS = ("file", "other_file")


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
