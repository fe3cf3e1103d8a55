"""Which classes are taken for which, as a table in colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from and_tf.reporting.markup import Html, element, number, table

MOST_CLASSES = 20  # That a matrix can be read with.


def matrix(
    caption: str,
    counts: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
) -> Html:
    """Draws shares of each true class, its own outlined.

    Args:
        caption: What rows and columns are.
        counts: integer [R, C], samples by true class and by what they were
            taken for; column i is of class i, and further ones of none.
        rows: Names of the R classes.
        columns: Names of the columns.
    """
    lines = []
    for true, row in enumerate(counts):
        whole = max(int(row.sum()), 1)
        cells = [
            element(
                "td",
                f"{100 * n / whole:.0f}",
                class_="heat right" if predicted == true else "heat",
                style=f"--share:{100 * n / whole:.0f}",
                title=f"{rows[true]} taken for {columns[predicted]}: {n:,}",
            )
            for predicted, n in enumerate(row)
        ]
        lines.append((rows[true], *cells, number(int(row.sum()))))
    drawn = table(caption, ("", *columns, "queries"), lines)
    return element("div", drawn, class_="matrix")
