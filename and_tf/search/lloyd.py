"""Runs k-means on accelerators: Lloyd's iterations over blocks of rows.

On one device the same seed gives the same result, as long as matrix products
are the same. In another process XLA may choose another cuBLAS routine, which
adds up in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from and_tf.search import assignment
from and_tf.search.packing import fetch
from and_tf.search.products import full_precision
from and_tf.search.seeding import first_centres

# Iterations stop once the sum of the squared moves of all centres is at most
# this times the mean variance of a dimension, as in scikit-learn.
TOLERANCE = 1e-4


class Found(NamedTuple):
    """The result of k-means."""

    centres: np.ndarray  # float32 [C, D].
    assigned: np.ndarray  # int64 [N], the nearest centre of each row.
    inertia: float  # The sum of squared distances from the nearest centres.


def fit(
    rows: np.ndarray | tf.Tensor,
    clusters: int,
    *,
    seed: int | tuple[int, ...],
    restarts: int,
    iterations: int,
) -> Found:
    """Clusters rows from k-means++ centres, and keeps the best of some starts.

    The device holds the rows three times (as given, minus their mean, and
    minus their mean in blocks), the memory of `seeding`, and the memory of one
    block, which is within `device.budget`.

    Args:
        rows: float32 [N, D], the points to cluster.
        clusters: C, the number of clusters, at most N.
        seed: Random seed.
        restarts: The number of starts, at least 1.
        iterations: The most iterations of each start.

    Returns:
        The result with the lowest inertia.
    """
    generator = np.random.default_rng(seed)
    rows = tf.convert_to_tensor(rows, tf.float32)
    mean = tf.reduce_mean(rows, axis=0)
    rows -= mean  # Smaller numbers reduce the rounding errors of distances.
    lloyd = Lloyd(rows, clusters)
    found = [
        lloyd.descend(first_centres(rows, clusters, generator), iterations)
        for _ in range(restarts)
    ]
    best = min(found, key=lambda one: one.inertia)
    return best._replace(centres=best.centres + mean.numpy())


def distances(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Computes the distances of rows from centres, block by block.

    Args:
        rows: float32 [N, D], the points.
        centres: float32 [C, D], the centres of the clusters.

    Returns:
        float32 [N, C], Euclidean distances, not squared.
    """
    mean = centres.mean(0)
    centres = tf.constant(centres - mean, tf.float32)
    found = np.empty((len(rows), len(centres)), np.float32)
    step = assignment.block_rows(len(rows), len(centres), rows.shape[1])
    function = assignment.compiled(
        assignment.distances, step, tuple(centres.shape)
    )
    with full_precision():
        for start in range(0, len(rows), step):
            block = tf.constant(rows[start : start + step] - mean, tf.float32)
            block = tf.pad(block, [[0, step - block.shape[0]], [0, 0]])
            part = found[start : start + step]
            part[...] = fetch(function(block, centres))[: len(part)]
    return found


class Lloyd:
    """Lloyd's iterations over rows that lie in blocks on the current device.

    Args:
        rows: float32 [N, D], the points to cluster.
        clusters: C, the number of clusters.
    """

    def __init__(self, rows: tf.Tensor, clusters: int) -> None:
        self._rows = rows
        count, dimension = rows.shape
        step = assignment.block_rows(count, clusters, dimension)
        starts = range(0, count, step)
        missing = len(starts) * step - count
        padded = tf.pad(rows, [[0, missing], [0, 0]])
        counted = tf.pad(tf.ones([count]), [[0, missing]])
        self._blocks = [
            (padded[i : i + step], counted[i : i + step]) for i in starts
        ]
        shape = (clusters, dimension)
        self._visit = assignment.compiled(assignment.visit, step, shape)
        self._moved = assignment.compiled(assignment.move, step, shape)
        variance = tf.reduce_mean(tf.math.reduce_variance(rows, axis=0))
        self._tolerance = TOLERANCE * float(variance)

    def descend(self, centres: tf.Tensor, iterations: int) -> Found:
        """Iterates until the centres stay in place.

        Args:
            centres: float32 [C, D], the initial centres.
            iterations: The most iterations.

        Returns:
            The final centres, each row's cluster and the inertia.
        """
        with full_precision():
            for _ in range(iterations):
                centres, shift = self._iterate(centres)
                if shift <= self._tolerance:
                    break
            assigned, squared = self._joined(self._assign(centres)[2])
        return Found(
            centres.numpy(), assigned, float(squared.sum(dtype=np.float64))
        )

    def _iterate(self, centres: tf.Tensor) -> tuple[tf.Tensor, float]:
        """Moves centres once; returns them and the sum of squared moves."""
        sums, counts, nearest = self._assign(centres)
        moved, state = self._moved(sums, counts, centres)
        shift, empty = fetch(state)  # An iteration waits only here.
        if empty:
            moved = self._relocated(sums, counts, nearest, moved)
            shift = float(tf.reduce_sum((moved - centres) ** 2))
        return moved, shift

    def _assign(
        self, centres: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[tuple[tf.Tensor, tf.Tensor]]]:
        """Assigns all rows to centres.

        Returns:
            The sums [C, D] and the counts [C] of each centre's rows; and for
            each block, its rows' nearest centres and squared distances.
        """
        sums, counts = tf.zeros_like(centres), tf.zeros([centres.shape[0]])
        nearest = []
        for block, counted in self._blocks:
            sums, counts, *mine = self._visit(
                block, counted, centres, sums, counts
            )
            nearest.append(tuple(mine))
        return sums, counts, nearest

    def _joined(
        self, nearest: Sequence[tuple[tf.Tensor, tf.Tensor]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joins the blocks' clusters, int64 [N], and squared distances [N]."""
        count = self._rows.shape[0]
        assigned, squared = (
            fetch(tf.concat(parts, axis=0))[:count]
            for parts in zip(*nearest, strict=True)
        )
        return assigned, squared

    def _relocated(
        self,
        sums: tf.Tensor,
        counts: tf.Tensor,
        nearest: Sequence[tuple[tf.Tensor, tf.Tensor]],
        moved: tf.Tensor,
    ) -> tf.Tensor:
        """Gives each cluster without rows the row farthest from its centre.

        scikit-learn does the same. It is seldom needed, and runs on the host.

        Returns:
            The centres, float32 [C, D].
        """
        assigned, squared = self._joined(nearest)
        sums, counts = sums.numpy(), counts.numpy()
        empty = np.flatnonzero(counts == 0)
        farthest = np.argsort(-squared, kind="stable")[: len(empty)]
        if not squared[farthest].any():
            return moved  # Every row is already at a centre.
        rows = tf.gather(self._rows, farthest).numpy()
        np.subtract.at(sums, assigned[farthest], rows)
        np.subtract.at(counts, assigned[farthest], 1)
        sums[empty], counts[empty] = rows, 1
        return self._moved(tf.constant(sums), tf.constant(counts), moved)[0]
