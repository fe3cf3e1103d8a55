"""Nearest neighbours and entropies on CPUs, a block of products at a time.

A block is a product of some rows with some queries, small enough for a CPU's
cache. While it is there, the sums that equation 5 needs are taken from it,
and reservoirs put down what may be among a query's nearest; then it goes.
Where the queries are the rows, a block serves both of its sides. What is put
down is guessed from a random sample of the rows, and the few queries that
were guessed wrong are searched for again: the result is exact.
"""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import os
from collections.abc import Iterable, Iterator
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

BLOCK = 2048  # Rows and queries of a symmetric search: 16 MB of products.
QUERIES, ROWS = 1024, 8192  # Of a search for others: 32 MB.
SAMPLE = 2048  # Rows that say what to look for.
# From how many maxima of a sample, for each that a bound has to reach, the
# bound is taken: so many that two of the highest seldom share one.
LANES = 8
# What the reservoirs of all rows may take for a symmetric search, in bytes.
STATE_BYTES = 2**30
# By how much the exponents of two rows' own similarities may differ in a
# symmetric search: exp(−88) is the smallest number of float32.
SPREAD = 40.0


class _Side:
    """What is known of some queries: sums and reservoirs.

    Args:
        bounds: float32 [Q], see `Reservoir`.
        k: How many rows a reservoir keeps.
        workers: How many reservoirs share the queries.
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
        """Adds sums; returns calls that have the reservoirs add a block.

        Args:
            products: The block.
            first, axis: See `Reservoir.add`.
            taken: What `visit` took from the block for these queries; no
                maxima where `many_reach`.
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
        """Queries whose bounds were too high, ascending."""
        return np.concatenate(
            [
                span.start + part.short()
                for span, part in zip(self._spans, self._parts, strict=True)
            ]
        )

    def results(
        self, k: int, own: np.ndarray | None, entropies: bool
    ) -> tuple[np.ndarray, ...]:
        """Similarities, indices and, where asked for, entropies."""
        best = [
            part.best(k, None if own is None else own[span])
            for span, part in zip(self._spans, self._parts, strict=True)
        ]
        found = tuple(np.concatenate(a) for a in zip(*best, strict=True))
        if not entropies:
            return found
        total, weighted = self._sums
        return (*found, np.float32(np.log(total) - weighted / total))


class _Workers:
    """As many threads as TensorFlow has, a step behind it."""

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
        """What the calls of the last `start` returned, once they have."""
        results, self._pending = list(self._pending), ()
        return results

    def start(self, calls: list[functools.partial]) -> None:
        """Has calls made, after all that were started before."""
        self.wait()
        self._pending = self._threads.map(lambda call: call(), calls)


def _ahead(calls: Iterable[functools.partial]) -> Iterator:
    """What calls return, two at a time: XLA alone leaves cores idle."""
    pending = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for call in calls:
            pending.append(threads.submit(call))
            if len(pending) == 2:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def serve_both(rows: tf.Tensor, k: int, temperature: float | None) -> bool:
    """Whether `search_rows` is right for these rows, and has the memory."""
    if 8 * room(k + 1) * rows.shape[0] > STATE_BYTES:
        return False
    if temperature is None:
        return True
    own = tf.reduce_sum(rows * rows, 1)
    spread = tf.reduce_max(own) - tf.reduce_min(own)
    return float(spread) / temperature < SPREAD


def search_rows(
    rows: tf.Tensor, k: int, temperature: float | None, exclude_self: bool
) -> tuple[np.ndarray, ...]:
    """Similarities, indices and, with a temperature, entropies of all rows.

    Args:
        rows: float32 [N, D].
        k: How many.
        temperature: τ, or None.
        exclude_self: Whether a row is no neighbour of its own.
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
            for bounds in _ahead(
                functools.partial(_bounds, part, sample, kept, count)
                for part in parts
            )
        ]
        pairs = [(i, j) for i in range(len(parts)) for j in range(i + 1)]
        visits = _ahead(
            functools.partial(visit, parts[i], parts[j], *exponent, i != j)
            for i, j in pairs
        )
        for (i, j), (products, *taken) in zip(pairs, visits, strict=True):
            calls = sides[i].add(products, starts[j], 0, taken[0])
            if i != j:
                calls += sides[j].add(products, starts[i], 1, taken[1])
            workers.start(calls)
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
    """Similarities, indices and, with a temperature, entropies of queries.

    Args:
        queries: float32 [Q, D].
        own: integer [Q], the row that each query is and that is left out, or
            None.
        rows: float32 [N, D].
        k: How many.
        temperature: τ, or None.
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
        bounds = _ahead(
            functools.partial(_bounds, part, sample, kept, rows.shape[0])
            for part in parts
        )
        visits = _ahead(
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
    """As `visit`, of queries alone; without maxima the products alone."""
    if not maxima:
        return tf.matmul(queries, rows, transpose_b=True), ()
    # A unit query is nowhere more similar than to itself: exponents stay at
    # or below 0 in a bank, and below 88 for any rows not wildly longer.
    exponent = scale_and_shift(
        temperature, tf.reduce_sum(queries * queries, 1, keepdims=True)
    )
    return visit(queries, rows, *exponent, False)


def _sample(rows: tf.Tensor) -> tf.Tensor:
    """Some of the rows, always the same: float32 [m, D]."""
    count = rows.shape[0]
    chosen = np.random.default_rng(0).choice(
        count, min(count, SAMPLE), replace=False
    )
    return tf.gather(rows, chosen)


def _bounds(
    queries: tf.Tensor, sample: tf.Tensor, k: int, count: int
) -> np.ndarray:
    """What the k-th highest of each query very likely reaches.

    Args:
        queries: float32 [Q, D].
        sample: float32 [m, D], rows at random.
        k: At least 1.
        count: How many rows there are in all.

    Returns:
        float32 [Q]; −inf where a first block of rows says as much, or the
        sample nothing.
    """
    size = sample.shape[0]
    rank = rank_in_sample(k, size, count)
    if rank == k or rank > size:
        return np.full(queries.shape[0], -np.inf, np.float32)
    products, (maxima,) = visit(queries, sample, None, None, False)
    # The highest of maxima are at or below those of all: a bound is still one.
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
    """Searches anew, by sorting, for queries whose bounds were too high.

    Args:
        found: Similarities [Q, k], indices [Q, k], and what stays as it is;
            changed in place.
        short: integer [n], those queries.
        queries, own, rows, k: See `search`.
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
    """The results of some queries after another, as those of all."""
    return tuple(np.concatenate(a) for a in zip(*results, strict=True))
