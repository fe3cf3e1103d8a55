"""Clusters by k-means: scikit-learn on a CPU, `lloyd` on an accelerator."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.search import device, lloyd
from and_tf.search.lloyd import Found

ITERATIONS = 300  # The most iterations of `fit`, scikit-learn's default.


def fit(
    rows: np.ndarray, clusters: int, *, seed: int, restarts: int = 1
) -> Found:
    """Clusters rows by k-means, and keeps the best of some starts.

    Args:
        rows: float32 [N, D], the points to cluster.
        clusters: C, the number of clusters, at most N.
        seed: Random seed. A CPU and an accelerator draw different numbers from
            the same seed.
        restarts: The number of starts, each by k-means++.

    Returns:
        The centres, the rows' clusters and the inertia of the best start.
    """
    if not device.on_cpu():
        return lloyd.fit(
            rows,
            clusters,
            seed=seed,
            restarts=restarts,
            iterations=ITERATIONS,
        )
    from sklearn.cluster import KMeans  # Takes a second, and few runs use it.

    model = KMeans(clusters, n_init=restarts, random_state=seed).fit(rows)
    return Found(
        model.cluster_centers_,
        model.labels_.astype(np.int64),
        float(model.inertia_),
    )


def fit_large(
    rows: np.ndarray | tf.Tensor,
    clusters: int,
    *,
    seed: tuple[int, ...],
    batch: int,
    passes: int,
) -> np.ndarray:
    """Clusters many rows, on a CPU by mini-batch k-means.

    On a CPU, full k-means with 10,000 clusters of a million rows would take
    hours, and its sums have an order that depends on the threads. On an
    accelerator this is full k-means from one start.

    Args:
        rows: float32 [N, D], the points to cluster.
        clusters: C, the number of clusters, at most N.
        seed: Random seed.
        batch: The number of rows in a mini-batch, on a CPU.
        passes: The most passes over all rows.

    Returns:
        int64 [N], the cluster of each row.
    """
    if not device.on_cpu():
        return lloyd.fit(
            rows, clusters, seed=seed, restarts=1, iterations=passes
        ).assigned
    # This import takes a second, and few runs use it.
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(
        clusters,
        batch_size=batch,
        max_iter=passes,
        n_init=1,
        random_state=np.random.RandomState(seed),
    )
    return model.fit_predict(np.asarray(rows)).astype(np.int64)


def distances(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Computes the distances of rows from centres.

    Args:
        rows: float32 [N, D], the points.
        centres: float32 [C, D], the centres of the clusters.

    Returns:
        float32 [N, C], Euclidean distances, not squared.
    """
    if not device.on_cpu():
        return lloyd.distances(rows, centres)
    from sklearn.metrics.pairwise import euclidean_distances

    return euclidean_distances(rows, centres)
