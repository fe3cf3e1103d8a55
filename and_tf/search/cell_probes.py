"""Compares queries with the rows of cells, and keeps what each probe finds.

A probe is a query in one of the cells that are searched for it.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

PRODUCTS = 2**24  # The most products that are computed at once.


class Found:
    """The neighbours and sums that the probes of some queries have found.

    Args:
        count: Q, the number of queries.
        probes: The number of probes of a query.
        k: The number of neighbours.

    Attributes:
        sums: float64 [2, Q], Z and U over the rows of the cells searched.
    """

    def __init__(self, count: int, probes: int, k: int) -> None:
        self._probes, self._k = probes, k
        shape = (count * probes, k)
        self._similarity = np.full(shape, -np.inf, np.float32)
        self._place = np.zeros(shape, np.int32)
        self.sums = np.zeros((2, count))

    def add(
        self,
        slots: np.ndarray,
        similarity: tf.Tensor,
        place: tf.Tensor,
        sums: tf.Tensor,
    ) -> None:
        """Adds the results of one cell for the probes `slots`, int64 [n]."""
        self._similarity[slots] = similarity
        self._place[slots] = place
        # A query probes a cell once, so that no number occurs twice.
        self.sums[:, slots // self._probes] += sums

    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the k highest similarities of each query, and places."""
        shape = (-1, self._probes * self._k)
        similarity = self._similarity.reshape(shape)
        best = np.argpartition(-similarity, self._k - 1, axis=1)[:, : self._k]
        highest = np.take_along_axis(similarity, best, axis=1)
        order = np.argsort(-highest, axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        return (
            np.take_along_axis(similarity, best, axis=1),
            np.take_along_axis(self._place.reshape(shape), best, axis=1),
        )


def by_cell(probed: np.ndarray, cells: int) -> list[tuple[int, np.ndarray]]:
    """Sorts probes by their cells.

    Args:
        probed: int32 [Q, probes], cells.
        cells: The number of cells.

    Returns:
        Each cell that is probed, and its places in the flat `probed`.
    """
    flat = probed.ravel()
    order = np.argsort(flat, kind="stable")
    first = np.searchsorted(flat[order], np.arange(cells + 1))
    return [
        (cell, order[first[cell] : first[cell + 1]])
        for cell in range(cells)
        if first[cell] < first[cell + 1]
    ]


def parts_of(chosen: np.ndarray, width: int) -> list[np.ndarray]:
    """Splits numbers, [n], to compute `width` products for each of a part."""
    step = max(1, PRODUCTS // max(width, 1))
    return [chosen[i : i + step] for i in range(0, len(chosen), step)]


@tf.function(autograph=False, reduce_retracing=True)
def scan(
    queries: tf.Tensor,
    own: tf.Tensor,
    rows: tf.Tensor,
    weights: tf.Tensor,
    first: tf.Tensor,
    scale: tf.Tensor,
    k: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Compares queries with the rows at some places.

    Args:
        queries: float32 [q, D].
        own: int64 [q], the place that is left out of a query's neighbours.
        rows: float32 [r, D].
        weights: float32 [r], see `sums_of`.
        first: int64 [], the place of the first row.
        scale: float32 [], 1 / τ.
        k: The number of neighbours.

    Returns:
        The k highest similarities, float32 [q, k], −∞ where there are fewer;
        their places, int64 [q, k]; and the sums, float32 [2, q].
    """
    products = tf.matmul(queries, rows, transpose_b=True)
    last = first + tf.shape(rows, tf.int64)[0] - 1
    places = tf.range(first, last + 1)
    lowest = -float("inf")
    others = tf.where(places == own[:, None], lowest, products)
    others = tf.pad(others, [[0, 0], [0, k]], constant_values=lowest)
    best = tf.math.top_k(others, k)
    place = tf.minimum(first + tf.cast(best.indices, tf.int64), last)
    place = tf.maximum(place, 0)
    return best.values, place, sums_of(queries, products, weights, scale)


@tf.function(autograph=False, reduce_retracing=True)
def sums_of(
    queries: tf.Tensor,
    products: tf.Tensor,
    weights: tf.Tensor,
    scale: tf.Tensor,
) -> tf.Tensor:
    """Returns weighted sums of exp(l) and exp(l) l, float32 [2, q].

    Args:
        queries: float32 [q, D].
        products: float32 [q, r], of queries and rows.
        weights: float32 [r], how many times each row counts.
        scale: float32 [], 1 / τ.
    """
    # A unit query is most similar to itself, so that exponents are at most 0.
    largest = tf.reduce_sum(queries * queries, 1, keepdims=True)
    logits = (products - largest) * scale
    terms = tf.exp(logits)
    return tf.stack(
        [
            tf.linalg.matvec(terms, weights),
            tf.linalg.matvec(terms * logits, weights),
        ]
    )
