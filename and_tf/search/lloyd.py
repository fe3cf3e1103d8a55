"""k-means on accelerators: Lloyd's iterations over blocks of rows.

From the same seed the result is the same on one device, as far as products
are: in another process XLA may choose another routine of cuBLAS, which adds
up in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from and_tf.search import assignment
from and_tf.search.packing import fetch
from and_tf.search.seeding import first_centres
from and_tf.utils.full_precision import full_precision

# Of the mean variance of a dimension: centres that together moved by no more,
# squared, have arrived. That is scikit-learn's.
TOLERANCE = 1e-4


class Found(NamedTuple):
    """One k-means."""

    centres: np.ndarray  # float32 [C, D]
    assigned: np.ndarray  # int64 [N], the nearest centre of each row
    inertia: float  # Sum of squared distances from the nearest centres


def fit(
    rows: np.ndarray | tf.Tensor,
    clusters: int,
    *,
    seed: int | tuple[int, ...],
    restarts: int,
    iterations: int,
) -> Found:
    """Clusters rows, from k-means++, and keeps the best of some starts.

    The device holds the rows three times (as they are, less their mean, and
    that in blocks), what `seeding` holds, and what one block takes, within
    `device.budget`.

    Args:
        rows: float32 [N, D].
        clusters: C, at most N.
        seed: Of all random numbers.
        restarts: From how many starts, at least 1.
        iterations: Of each start, at most.

    Returns:
        The one with the least inertia.
    """
    generator = np.random.default_rng(seed)
    rows = tf.convert_to_tensor(rows, tf.float32)
    mean = tf.reduce_mean(rows, axis=0)
    rows -= mean  # Distances of small numbers lose less to rounding.
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
        rows: float32 [N, D].
        centres: float32 [C, D].

    Returns:
        float32 [N, C], not squared.
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
    """Rows in blocks on the current device, and Lloyd's iterations over them.

    Args:
        rows: float32 [N, D].
        clusters: C.
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
        """Iterates from centres, float32 [C, D], until they stay.

        Args:
            centres: Where to begin.
            iterations: How many, at most.
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
        """Moves centres once; returns them, and how far, squared, in all."""
        sums, counts, nearest = self._assign(centres)
        moved, state = self._moved(sums, counts, centres)
        shift, empty = fetch(state)  # The one wait of an iteration.
        if empty:
            moved = self._relocated(sums, counts, nearest, moved)
            shift = float(tf.reduce_sum((moved - centres) ** 2))
        return moved, shift

    def _assign(
        self, centres: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[tuple[tf.Tensor, tf.Tensor]]]:
        """Sums [C, D], counts [C] and, of each block, what is nearest."""
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
        """Clusters int64 [N] and squared distances float32 [N], of all."""
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

        As scikit-learn does. It is seldom needed, and done on the host.

        Returns:
            The centres, float32 [C, D].
        """
        assigned, squared = self._joined(nearest)
        sums, counts = sums.numpy(), counts.numpy()
        empty = np.flatnonzero(counts == 0)
        farthest = np.argsort(-squared, kind="stable")[: len(empty)]
        if not squared[farthest].any():
            return moved  # There are no other places to be at.
        rows = tf.gather(self._rows, farthest).numpy()
        np.subtract.at(sums, assigned[farthest], rows)
        np.subtract.at(counts, assigned[farthest], 1)
        sums[empty], counts[empty] = rows, 1
        return self._moved(tf.constant(sums), tf.constant(counts), moved)[0]
