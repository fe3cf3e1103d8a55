"""Searches on CPUs, by one block of products after another.

A block is the product of some rows with some queries, small enough for a CPU's
cache. While it is there, the sums that equation 5 needs are taken from it,
and reservoirs store the rows that may be among a query's nearest. Then the
block is dropped. If the queries are the rows, a block serves both of its sides.
A random sample of the rows gives a bound for the similarities to store. The few
queries whose bound was too high are searched for again, so the result is exact.
"""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.search.products import GROUP, as_array, scale_and_shift, visit
from and_tf.search.reservoir import (
    Reservoir,
    many_reach,
    rank_in_sample,
    room,
)

# A symmetric search has as many rows as queries in a block: 16 MB of products.
BLOCK = 2048
QUERIES, ROWS = 1024, 8192  # A block of any other search: 32 MB of products.
SAMPLE = 2048  # The number of rows in the sample that gives the bounds.
# The bound of rank r in the sample is taken from the maxima of groups only if
# there are at least LANES · r maxima: so many that two of the r highest numbers
# seldom share one.
LANES = 8
# The most bytes for the reservoirs of all rows in a symmetric search.
STATE_BYTES = 2**30
# In a symmetric search, the exponents of two rows' similarities to themselves
# must differ by less than this: exp(−88) is the smallest number of float32.
SPREAD = 40.0


class _Side:
    """The state of the search for some queries: sums and reservoirs.

    Args:
        bounds: float32 [Q], see `Reservoir`.
        k: The number of rows that a reservoir keeps.
        workers: The number of reservoirs that share the queries.
    """

    def __init__(self, bounds: np.ndarray, k: int, workers: int) -> None:
        count = len(bounds)
        step = -(-count // workers)
        self._spans = [slice(i, i + step) for i in range(0, count, step)]
        self._parts = [
            Reservoir(bounds[span], k, span.start) for span in self._spans
        ]
        self._sums = np.zeros([2, count])

    def add(
        self, products: tf.Tensor, first: int, axis: int, taken: list
    ) -> list[functools.partial]:
        """Adds sums; returns calls that make the reservoirs add a block.

        Args:
            products: The block, float32.
            first, axis: See `Reservoir.add`.
            taken: The maxima and sums of these queries from `visit`; empty
                to compare all of the block, see `many_reach`.
        """
        maxima, *sums = map(as_array, taken) if taken else (None,)
        for mine, new in zip(self._sums, sums, strict=False):
            mine += new.sum(1 - axis)
        block = as_array(products)
        return [
            functools.partial(part.add, block, maxima, first, axis)
            for part in self._parts
        ]

    def short(self) -> np.ndarray:
        """Returns the queries whose bounds were too high, ascending."""
        return np.concatenate(
            [
                span.start + part.short()
                for span, part in zip(self._spans, self._parts, strict=True)
            ]
        )

    def results(
        self, k: int, own: np.ndarray | None, entropies: bool
    ) -> tuple[np.ndarray, ...]:
        """Returns similarities, indices and, if requested, entropies.

        Args:
            k: The number of neighbours.
            own: integer [Q], a row to leave out for each query, or None.
            entropies: Whether to return entropies.
        """
        best = [
            part.best(k, None if own is None else own[span])
            for span, part in zip(self._spans, self._parts, strict=True)
        ]
        found = tuple(np.concatenate(a) for a in zip(*best, strict=True))
        if not entropies:
            return found
        total, weighted = self._sums
        entropy = np.log(total) - weighted / total
        return (*found, entropy.astype(np.float32))


class _Workers:
    """A pool of threads that handles a block while TensorFlow makes the next.

    It has as many threads as TensorFlow.
    """

    def __init__(self) -> None:
        count = tf.config.threading.get_intra_op_parallelism_threads()
        self.count = count or os.cpu_count() or 1
        self._threads = concurrent.futures.ThreadPoolExecutor(self.count)
        self._pending: Iterable = ()

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: Any) -> None:
        self._threads.shutdown()

    def wait(self) -> list:
        """Waits for the calls of the last `start`; returns their results."""
        results, self._pending = list(self._pending), ()
        return results

    def start(self, calls: list[functools.partial]) -> None:
        """Starts calls in the threads after all earlier calls have ended."""
        self.wait()
        self._pending = self._threads.map(lambda call: call(), calls)


def ahead(calls: Iterable[Callable[[], Any]]) -> Iterator:
    """Yields the results of calls in order, running two calls at a time.

    With one call at a time, XLA would leave cores idle.
    """
    pending: collections.deque[concurrent.futures.Future] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for call in calls:
            pending.append(threads.submit(call))
            if len(pending) == 2:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def serve_both(rows: tf.Tensor, k: int, temperature: float | None) -> bool:
    """Returns whether `search_rows` is accurate and has enough memory.

    Args:
        rows, k, temperature: See `search_rows`.
    """
    if 8 * room(k + 1) * rows.shape[0] > STATE_BYTES:
        return False
    if temperature is None:
        return True
    own = tf.reduce_sum(rows * rows, 1)
    spread = tf.reduce_max(own) - tf.reduce_min(own)
    return float(spread) / temperature < SPREAD


def search_rows(
    rows: tf.Tensor,
    k: int,
    temperature: float | None,
    exclude_self: bool,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, ...]:
    """Finds the neighbours of all rows and, with a temperature, entropies.

    Args:
        rows: float32 [N, D], the queries and the rows to search among.
        k: The number of neighbours.
        temperature: τ of the entropies; None computes no entropies.
        exclude_self: Whether a row is left out of its own neighbours.
        progress: Is called with numbers of rows whose sum is N in the end, in
            proportion to the blocks that are done.

    Returns:
        Similarities float32 [N, k], indices int32 [N, k] and, with a
        temperature, entropies float32 [N].
    """
    count = rows.shape[0]
    starts = range(0, count, BLOCK)
    parts = [rows[i : i + BLOCK] for i in starts]
    exponent = scale_and_shift(
        temperature, tf.reduce_max(tf.reduce_sum(rows * rows, 1))
    )
    own = np.arange(count) if exclude_self else None
    kept = k + int(exclude_self)
    sample = _sample(rows)
    with _Workers() as workers:
        sides = [
            _Side(bounds, kept, workers.count)
            for bounds in ahead(
                functools.partial(_bounds, part, sample, kept, count)
                for part in parts
            )
        ]
        pairs = [(i, j) for i in range(len(parts)) for j in range(i + 1)]
        visits = ahead(
            functools.partial(visit, parts[i], parts[j], *exponent, i != j)
            for i, j in pairs
        )
        for done, ((i, j), (products, *taken)) in enumerate(
            zip(pairs, visits, strict=True)
        ):
            calls = sides[i].add(products, starts[j], 0, taken[0])
            if i != j:
                calls += sides[j].add(products, starts[i], 1, taken[1])
            workers.start(calls)
            if progress is not None:
                before = done * count // len(pairs)
                progress((done + 1) * count // len(pairs) - before)
        workers.start(
            [
                functools.partial(
                    side.results,
                    k,
                    None if own is None else own[start : start + BLOCK],
                    temperature is not None,
                )
                for start, side in zip(starts, sides, strict=True)
            ]
        )
        found = _joined(workers.wait())
    short = [start + side.short() for start, side in zip(starts, sides)]
    return _corrected(found, np.concatenate(short), rows, own, rows, k)


def search(
    queries: tf.Tensor,
    own: np.ndarray | None,
    rows: tf.Tensor,
    k: int,
    temperature: float | None,
) -> tuple[np.ndarray, ...]:
    """Finds the neighbours of queries and, with a temperature, entropies.

    Args:
        queries: float32 [Q, D], the embeddings to search for.
        own: integer [Q], the row of each query itself, which is left out of
            the neighbours; or None.
        rows: float32 [N, D], the embeddings to search among.
        k: The number of neighbours.
        temperature: τ of the entropies; None computes no entropies.

    Returns:
        Similarities float32 [Q, k], indices int32 [Q, k] and, with a
        temperature, entropies float32 [Q].
    """
    results, short = [], []
    kept = k + int(own is not None)
    sample = _sample(rows)
    starts = range(0, queries.shape[0], QUERIES)
    parts = [queries[i : i + QUERIES] for i in starts]
    firsts = range(0, rows.shape[0], ROWS)
    blocks = [rows[i : i + ROWS] for i in firsts]
    maxima = temperature is not None or not many_reach(
        kept, sample.shape[0], rows.shape[0], GROUP
    )

    def finish(side: _Side, first: int) -> None:
        mine = None if own is None else own[first : first + QUERIES]
        results.append(side.results(k, mine, temperature is not None))
        short.append(first + side.short())

    with _Workers() as workers:
        bounds = ahead(
            functools.partial(_bounds, part, sample, kept, rows.shape[0])
            for part in parts
        )
        visits = ahead(
            functools.partial(_visit, part, block, temperature, maxima)
            for part in parts
            for block in blocks
        )
        for start, bound in zip(starts, bounds, strict=True):
            side = _Side(bound, kept, workers.count)
            for first in firsts:
                products, taken = next(visits)
                workers.start(side.add(products, first, 0, taken))
            workers.start([functools.partial(finish, side, start)])
        workers.wait()
    found = _joined(results)
    return _corrected(found, np.concatenate(short), queries, own, rows, k)


def _visit(
    queries: tf.Tensor,
    rows: tf.Tensor,
    temperature: float | None,
    maxima: bool,
) -> tuple[Any, ...]:
    """Calls `visit` for the queries; without `maxima` only multiplies."""
    if not maxima:
        return tf.matmul(queries, rows, transpose_b=True), ()
    # A unit query is most similar to itself. So exponents are at most 0 for the
    # unit rows of a bank, and below 88 for rows that are not much longer.
    exponent = scale_and_shift(
        temperature, tf.reduce_sum(queries * queries, 1, keepdims=True)
    )
    return visit(queries, rows, *exponent, False)


def _sample(rows: tf.Tensor) -> tf.Tensor:
    """Returns a sample of the rows, always the same one, float32 [m, D]."""
    count = rows.shape[0]
    chosen = np.random.default_rng(0).choice(
        count, min(count, SAMPLE), replace=False
    )
    return tf.gather(rows, chosen)


def _bounds(
    queries: tf.Tensor, sample: tf.Tensor, k: int, count: int
) -> np.ndarray:
    """Returns a bound that each query's k-th highest very likely reaches.

    Args:
        queries: float32 [Q, D], the embeddings to search for.
        sample: float32 [m, D], a random sample of the rows.
        k: The number of rows to keep, at least 1.
        count: N, the number of all rows.

    Returns:
        float32 [Q]; −inf if the sample gives no bound, or no better one than
        the first block of rows does.
    """
    size = sample.shape[0]
    rank = rank_in_sample(k, size, count)
    if rank == k or rank > size:
        return np.full(queries.shape[0], -np.inf, np.float32)
    products, (maxima,) = visit(queries, sample, None, None, False)
    # The r-th highest of the maxima is not above that of all products, so it
    # is a valid bound, too.
    among = as_array(maxima if rank * LANES <= maxima.shape[1] else products)
    place = among.shape[1] - rank
    return np.partition(among, place, axis=1)[:, place]


def _corrected(
    found: tuple[np.ndarray, ...],
    short: np.ndarray,
    queries: tf.Tensor,
    own: np.ndarray | None,
    rows: tf.Tensor,
    k: int,
) -> tuple[np.ndarray, ...]:
    """Searches again, by sorting, for the queries whose bounds were too high.

    Args:
        found: Similarities [Q, k] and indices [Q, k], which are corrected in
            place, and entropies [Q] or nothing, which stay as they are.
        short: integer [n], the queries whose bounds were too high.
        queries, own, rows, k: See `search`.

    Returns:
        The arrays of `found`.
    """
    similarity, index, *_ = found
    step = max(1, BLOCK**2 // rows.shape[0])
    for first in range(0, len(short), step):
        some = short[first : first + step]
        block = tf.matmul(tf.gather(queries, some), rows, transpose_b=True)
        block = block.numpy()
        if own is not None:
            block[np.arange(len(some)), own[some]] = -np.inf
        best = np.argpartition(block, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(block, best, axis=1), axis=1)
        index[some] = np.take_along_axis(best, order, axis=1)
        similarity[some] = np.take_along_axis(block, index[some], axis=1)
    return found


def _joined(results: Iterable) -> tuple[np.ndarray, ...]:
    """Joins the results of parts of the queries."""
    return tuple(np.concatenate(a) for a in zip(*results, strict=True))
