"""Searches a bank approximately, each row in the cells that are nearest to it.

k-means divides the rows into cells. The neighbours of a row are searched in the
cells whose centres are nearest to it, with probes / cells of the products of an
exact search. Libraries for such an index return neighbours alone, but equation
5 is a sum over all rows. Here the rows of the searched cells are added exactly,
and those of all other cells are estimated from a random sample of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from and_tf.distribution.process_group import ProcessGroup
from and_tf.search.cell_index import Index
from and_tf.search.nearest import SHARED, Nearest, nearest
from and_tf.search.products import full_precision
from and_tf.utils.errors import InputError

ASKED = 1000  # The number of rows whose recall is measured.


def nearest_in_cells(
    rows: np.ndarray | tf.Tensor,
    k: int,
    probes: int,
    *,
    temperature: float,
    seed: int | tuple[int, ...] = 0,
    processes: ProcessGroup | None = None,
    progress: Callable[[int], None] | None = None,
) -> Nearest:
    """Finds about the k rows most similar to each row, and its entropy.

    The similarities that are returned are exact, and the neighbours are those
    of `and_tf.nearest` as far as they lie in the cells that are searched. With
    as many probes as cells, all is exact.

    An entropy is log Z − U / Z, with Z = Σ_j exp(l_ij), U = Σ_j exp(l_ij) l_ij
    and l_ij = row_i · row_j / τ. Of both sums, the estimates have the right
    expectation.

    Besides the arguments and the result, it needs another copy of the rows,
    and about `cell_index.STATE_BYTES` for what the probes find.

    Args:
        rows: float32 [N, D], the queries and the rows to search among, of
            about unit norm.
        k: The number of neighbours, at most N − 1, as a row is none of its own.
        probes: The number of cells that are searched for each row. There are
            4 √N cells; more probes than cells are as many as cells.
        temperature: τ of the entropies (equation 5).
        seed: Random seed of the cells and of the sample.
        processes: The processes whose devices share the queries. None searches
            on TensorFlow's default device.
        progress: Is called with numbers of rows whose sum is N in the end, in
            proportion to the work that is done; not if processes or devices
            share it.

    Returns:
        Similarities, row indices and entropies; see `Nearest`.

    Raises:
        InputError: If k or the number of probes is out of range.

    Examples:
        >>> import numpy as np
        >>> from and_tf.search.cells import nearest_in_cells
        >>> rng = np.random.default_rng(0)
        >>> rows = rng.normal(size=(1000, 8))
        >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        >>> found = nearest_in_cells(rows, k=1, probes=16, temperature=0.1)
        >>> found.index.shape, found.entropy.shape
        ((1000, 1), (1000,))
    """
    rows = tf.convert_to_tensor(rows, tf.float32)
    most = rows.shape[0] - 1
    if not 1 <= k <= most:
        raise InputError(
            f"Expected a number of neighbours from 1 to {most}, the samples "
            f"there are to choose from. Received: {k}."
        )
    if probes < 1:
        raise InputError(
            f"Expected a number of cells to search of at least 1. Received: "
            f"{probes}."
        )
    with full_precision():
        index = Index(rows, np.random.default_rng(seed))

        def search(starts: Sequence[int]) -> tuple[np.ndarray, ...]:
            span = range(starts[0], min(starts[-1] + SHARED, rows.shape[0]))
            return index.search(span, k, probes, temperature)

        starts = range(0, rows.shape[0], SHARED)
        if processes and not processes.alone:
            return Nearest(*processes.share(search, starts))
        return Nearest(
            *index.search(range(most + 1), k, probes, temperature, progress)
        )


def recall(
    rows: np.ndarray | tf.Tensor,
    index: np.ndarray,
    *,
    seed: int | tuple[int, ...] = 0,
    processes: ProcessGroup | None = None,
) -> float:
    """Measures which share of the nearest neighbours a search has found.

    At most `ASKED` random rows are searched for exactly.

    Args:
        rows: float32 [N, D], which were searched.
        index: integer [N, k], the neighbours that were found, without the row
            itself.
        seed: Random seed of the rows that are asked.
        processes: See `nearest_in_cells`.

    Returns:
        The mean share of a row's k nearest neighbours that are in `index`.
    """
    rows = tf.convert_to_tensor(rows, tf.float32)
    count, k = index.shape
    generator = np.random.default_rng(seed)
    asked = generator.choice(count, min(count, ASKED), replace=False)
    exact = nearest(tf.gather(rows, asked), rows, k + 1, processes=processes)
    # Each finds itself, too, or k others that are just as near.
    others = exact.index != asked[:, None]
    others[others.all(axis=1), -1] = False
    wanted = exact.index[others].reshape(-1, k)
    found = (wanted[:, :, None] == index[asked][:, None, :]).any(axis=2)
    return float(found.mean())
