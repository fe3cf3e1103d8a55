"""Finds exact nearest neighbours and entropies in sweeps over the bank.

The N × N similarities are never in memory at once. `blockwise` does this on a
CPU, `grouped` on an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from and_tf.distribution.process_group import ProcessGroup
from and_tf.search import blockwise, device, grouped
from and_tf.search.products import full_precision
from and_tf.search.summary import Summary
from and_tf.utils.errors import InputError

SHARED = 1024  # Devices share the queries in multiples of this number.


class Nearest(NamedTuple):
    """The result of `nearest` as NumPy arrays, most similar rows first."""

    similarity: np.ndarray  # float32 [Q, k]
    index: np.ndarray  # type: ignore[assignment]  # int32 [Q, k]
    entropy: np.ndarray | None  # float32 [Q]


def nearest(
    queries: np.ndarray | tf.Tensor,
    rows: np.ndarray | tf.Tensor,
    k: int,
    *,
    temperature: float | None = None,
    exclude_self: bool = False,
    processes: ProcessGroup | None = None,
    progress: Callable[[int], None] | None = None,
) -> Nearest:
    """Finds the k rows most similar to each query, and each query's entropy.

    The search is exact. Besides the arguments and the result, it needs on a
    CPU some blocks of 16 or 32 MB and, to search the bank for itself,
    24 · k + 152 bytes per row, as long as that is below
    `blockwise.STATE_BYTES`. For an accelerator, see `grouped.search`.
    Compilation and allocators add to the memory of the process, which
    `benchmarks/discovery.py` prints.

    Args:
        queries: float32 [Q, D], the embeddings to search for.
        rows: float32 [N, D], the embeddings to search among.
        k: The number of neighbours, at most N, or N − 1 with `exclude_self`.
        temperature: τ of the distribution whose entropy is computed,
            H_i = −Σ_j p_ij log p_ij, p_i = softmax_j(q_i · row_j / τ)
            (equation 5), over all rows, also a query's own row. None computes
            no entropies.
        exclude_self: Whether query i is row i, which is then no neighbour of
            itself.
        processes: The processes whose devices share the queries; each device
            holds all rows. None searches on TensorFlow's default device.
        progress: Is called with numbers of queries whose sum is Q in the end,
            in proportion to the work that is done; only a CPU calls it before
            the end.

    Returns:
        Similarities (dot products), row indices and entropies.

    Raises:
        InputError: If k is not from 1 to the number of possible neighbours.

    Examples:
        >>> import numpy as np
        >>> import and_tf
        >>> rows = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
        >>> found = and_tf.nearest(rows[:1], rows, k=2)
        >>> found.index.tolist()
        [[0, 2]]
        >>> found.similarity.round(2)
        array([[1. , 0.6]], dtype=float32)
    """
    arrays = _all(
        queries, rows, k, temperature, exclude_self, processes, None, progress
    )
    return Nearest(*arrays, *([None] if temperature is None else []))


def summarise_nearest(
    queries: np.ndarray | tf.Tensor,
    rows: np.ndarray | tf.Tensor,
    k: int,
    summary: Summary,
    *,
    exclude_self: bool = False,
    processes: ProcessGroup | None = None,
) -> tuple[np.ndarray, ...]:
    """Searches as `nearest` does and returns a summary of the neighbours.

    An accelerator summarises the neighbours itself, so that they are not
    copied to the host.

    Args:
        queries, rows, k, exclude_self, processes: See `nearest`.
        summary: The function of the neighbours to compute.

    Returns:
        The summary's arrays, [Q, …].

    Raises:
        InputError: If k is not from 1 to the number of possible neighbours.
    """
    return _all(queries, rows, k, None, exclude_self, processes, summary)


def _all(
    queries: np.ndarray | tf.Tensor,
    rows: np.ndarray | tf.Tensor,
    k: int,
    temperature: float | None,
    exclude_self: bool,
    processes: ProcessGroup | None,
    summary: Summary | None,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, ...]:
    """Searches for all queries, shared among the devices of `processes`."""
    same = queries is rows
    rows = tf.convert_to_tensor(rows, tf.float32)
    queries = rows if same else tf.convert_to_tensor(queries, tf.float32)
    most = rows.shape[0] - int(exclude_self)
    if not 1 <= k <= most:
        raise InputError(
            f"Expected a number of neighbours from 1 to {most}, the samples "
            f"there are to choose from. Received: {k}."
        )
    own = np.arange(queries.shape[0]) if exclude_self else None

    def search(starts: Sequence[int]) -> tuple[np.ndarray, ...]:
        span = slice(starts[0], starts[-1] + SHARED)
        return _search(
            queries[span],
            None if own is None else own[span],
            tf.identity(rows),  # Copies the rows to the thread's device.
            k,
            temperature,
            summary,
        )

    starts = range(0, queries.shape[0], SHARED)
    with full_precision():
        if processes and not processes.alone:
            return processes.share(search, starts)
        if (
            same
            and device.on_cpu()
            and blockwise.serve_both(rows, k, temperature)
        ):
            found = blockwise.search_rows(
                rows, k, temperature, exclude_self, progress
            )
            return found if summary is None else summary.of_arrays(*found)
        found = search(starts)
        if progress is not None:
            progress(queries.shape[0])
        return found


def _search(
    queries: tf.Tensor,
    own: np.ndarray | None,
    rows: tf.Tensor,
    k: int,
    temperature: float | None,
    summary: Summary | None,
) -> tuple[np.ndarray, ...]:
    """Searches for some queries on the current device; see `grouped.search`."""
    if not device.on_cpu():
        return grouped.search(queries, own, rows, k, temperature, summary)
    found = blockwise.search(queries, own, rows, k, temperature)
    return found if summary is None else summary.of_arrays(*found)
