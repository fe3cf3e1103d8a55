"""Divides the rows of a bank into cells, and searches some of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from and_tf.search.cell_probes import Found, by_cell, parts_of, scan, sums_of
from and_tf.search.lloyd import Lloyd

# There are this many times √N cells. Then about as many products are taken
# with centres as with the rows of a few cells.
CELLS = 4
FITTED = 64  # The number of rows for each cell that k-means sees, at most.
ITERATIONS = 10  # Cells need not be the best; their rows are compared anyway.
# Rows in the sample for the entropies. Among 45,000 embeddings, their mean
# error was 0.007 to 0.014 nats.
SAMPLE = 16384
QUERIES = 2048  # The number of queries that are compared with all centres.
# The bytes for what the probes of queries find, unless `QUERIES` need more.
STATE_BYTES = 2**29


def number_of_cells(count: int) -> int:
    """Returns the number of cells of `count` rows."""
    return min(count, max(1, round(CELLS * math.sqrt(count))))


class Index:
    """Rows in the order of their cells, and a sample of them.

    Args:
        rows: float32 [N, D].
        generator: The source of random numbers.
    """

    def __init__(self, rows: tf.Tensor, generator: np.random.Generator) -> None:
        count = rows.shape[0]
        self._rows = rows
        self._centres = _centres(rows, generator)
        self._cells = self._centres.shape[0]
        assigned = np.concatenate(
            [
                _closest(rows[i : i + QUERIES], self._centres, 1).numpy()[:, 0]
                for i in range(0, count, QUERIES)
            ]
        )
        self._order = np.argsort(assigned, kind="stable")
        self._place = np.empty(count, np.int64)  # The inverse of `_order`.
        self._place[self._order] = np.arange(count)
        self._sorted = tf.gather(rows, self._order)
        bounds = np.arange(self._cells + 1)
        self._first = np.searchsorted(assigned[self._order], bounds)
        sampled = generator.choice(count, min(count, SAMPLE), replace=False)
        self._sample = tf.gather(rows, np.sort(sampled))
        # A row of the sample stands for this many rows. What is searched is
        # counted exactly, and so without the sample's share of it.
        self._share = count / len(sampled)
        weights = np.ones(count, np.float32)
        weights[self._place[sampled]] -= self._share
        self._weights = tf.constant(weights)

    def search(
        self,
        span: range,
        k: int,
        probes: int,
        temperature: float,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[np.ndarray, ...]:
        """Searches for the rows of `span`; see `nearest_in_cells`."""
        probes = min(probes, self._cells)
        step = max(QUERIES, STATE_BYTES // (8 * probes * k))
        parts = [
            self._search(span[i : i + step], k, probes, temperature, progress)
            for i in range(0, len(span), step)
        ]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts))

    def _search(
        self,
        span: range,
        k: int,
        probes: int,
        temperature: float,
        progress: Callable[[int], None] | None,
    ) -> tuple[np.ndarray, ...]:
        queries = self._rows[span.start : span.stop]
        own = self._place[span.start : span.stop]
        probed = self._probed(queries, probes)
        found = Found(len(span), probes, k)
        scale = tf.constant(1 / temperature)
        done = 0  # Slots, of which each query has as many as probes.
        for cell, slots in by_cell(probed, self._cells):
            places = slice(self._first[cell], self._first[cell + 1])
            for part in parts_of(slots, places.stop - places.start):
                who = part // probes
                args = tf.gather(queries, who), own[who], scale, k
                found.add(part, *self._scan(places, *args))
            before, done = done // probes, done + len(slots)
            if progress is not None:
                progress(done // probes - before)
        similarity, place = found.best()
        missing = np.flatnonzero(np.isinf(similarity[:, -1]))
        # Their cells have too few rows, so all are searched.
        for part in parts_of(missing, len(self._order)):
            args = tf.gather(queries, part), own[part], scale, k
            similarity[part], place[part], _ = self._scan(slice(None), *args)
        index = self._order[place].astype(np.int32)
        return similarity, index, self._entropies(queries, found.sums, scale)

    def _probed(self, queries: tf.Tensor, probes: int) -> np.ndarray:
        """Returns the cells to search for each query, int32 [Q, probes]."""
        return np.concatenate(
            [
                _closest(queries[i : i + QUERIES], self._centres, probes)
                for i in range(0, queries.shape[0], QUERIES)
            ]
        )

    def _entropies(
        self, queries: tf.Tensor, sums: np.ndarray, scale: tf.Tensor
    ) -> np.ndarray:
        """Adds the sample to the sums [2, Q]; returns entropies [Q]."""
        ones = tf.fill([self._sample.shape[0]], np.float32(self._share))
        for i in range(0, queries.shape[0], QUERIES):
            part = queries[i : i + QUERIES]
            products = tf.matmul(part, self._sample, transpose_b=True)
            sums[:, i : i + QUERIES] += sums_of(part, products, ones, scale)
        # The estimate of few rows that are far away may be below 0, but a
        # row's own term is 1.
        mass = np.maximum(sums[0], 1.0)
        return np.maximum(np.log(mass) - sums[1] / mass, 0).astype(np.float32)

    def _scan(
        self,
        places: slice,
        queries: tf.Tensor,
        own: np.ndarray,
        scale: tf.Tensor,
        k: int,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Searches some places for queries [q, D]; see `scan`."""
        return scan(
            queries,
            tf.constant(own),
            self._sorted[places],
            self._weights[places],
            tf.constant(places.start or 0, tf.int64),
            scale,
            k,
        )


def _centres(rows: tf.Tensor, generator: np.random.Generator) -> tf.Tensor:
    """Returns the centres of the cells, float32 [C, D], by k-means."""
    count = rows.shape[0]
    cells = number_of_cells(count)
    fitted = generator.choice(count, min(count, FITTED * cells), replace=False)
    some = tf.gather(rows, fitted)
    centres = Lloyd(some, cells).descend(some[:cells], ITERATIONS).centres
    return tf.constant(centres)


@tf.function(autograph=False, reduce_retracing=True)
def _closest(queries: tf.Tensor, centres: tf.Tensor, count: int) -> tf.Tensor:
    """Returns the `count` centres closest to each query, int32 [q, count]."""
    own = tf.reduce_sum(centres * centres, axis=1)
    score = 2 * tf.matmul(queries, centres, transpose_b=True) - own
    return tf.math.top_k(score, count).indices
