"""Checks a teacher's rows, and averages those of neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from and_tf.utils.errors import InputError

# Of the norm of a row; float32 keeps a norm to 1e-7, bfloat16 to 4e-3.
NORM_TOLERANCE = 1e-2
_BLOCK_ROWS = 8192


def unit_norm(rows: np.ndarray) -> np.ndarray:
    """Divides rows [N, D] by their norms; a row of zeros stays as it is."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, 1, norms)


def averaged(rows: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Averages each row with those of its neighbours.

    The mean of an image and its nearest neighbours keeps what they share, and
    is a steadier target than the row of one image.

    Args:
        rows: float32 [N, D], of unit norm.
        neighbours: integer [N, k], the neighbours of each row, without the
            row itself, as `nearest` finds them.

    Returns:
        float32 [N, D], of unit norm: the direction of the mean of 1 + k rows.
    """
    found = np.empty_like(rows)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        found[block] = rows[block] + rows[neighbours[block]].sum(axis=1)
    return unit_norm(found)


def as_rows(teacher_rows: ArrayLike) -> np.ndarray:
    """Returns the rows as float32 [N, D].

    Raises:
        InputError: If they are no finite matrix, or have another norm than 1.
    """
    rows = np.asarray(teacher_rows)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise InputError(
            "Expected the teacher's rows as an array [N, D] of numbers. "
            f"Received: {rows.dtype} {list(rows.shape)}."
        )
    rows = rows.astype(np.float32, copy=False)
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    wrong = ~((np.abs(norms - 1) <= NORM_TOLERANCE) | (norms == 0))
    if wrong.any():  # NaN is wrong, too.
        raise InputError(
            "Expected the teacher's rows of unit norm. Received a row of norm "
            f"{norms[wrong][0]:g}, that of image {int(wrong.argmax())}. Divide "
            "each row by its norm."
        )
    return rows
