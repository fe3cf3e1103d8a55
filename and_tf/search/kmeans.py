"""k-means where TensorFlow computes: scikit-learn on a CPU, `lloyd` else."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.search import device, lloyd
from and_tf.search.lloyd import Found

ITERATIONS = 300  # Of `fit`, at most: scikit-learn's default.


def fit(
    rows: np.ndarray, clusters: int, *, seed: int, restarts: int = 1
) -> Found:
    """Clusters rows by k-means, and keeps the best of some starts.

    Args:
        rows: float32 [N, D].
        clusters: C, at most N.
        seed: Of all random numbers. A CPU and an accelerator draw others.
        restarts: From how many starts, each by k-means++.

    Returns:
        Centres, the rows' clusters and the inertia.
    """
    if not device.on_cpu():
        return lloyd.fit(
            rows,
            clusters,
            seed=seed,
            restarts=restarts,
            iterations=ITERATIONS,
        )
    from sklearn.cluster import KMeans  # A second, for few runs.

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
    """Clusters so many rows that the whole k-means would take a CPU hours.

    A CPU takes mini-batches: with 10,000 clusters of a million rows the
    whole would take hours there, and its sums come in an order that depends
    on the threads. An accelerator takes the whole, from one start.

    Args:
        rows: float32 [N, D].
        clusters: C, at most N.
        seed: Of all random numbers.
        batch: Rows that move the centres at a time, on a CPU.
        passes: Over all rows, at most.

    Returns:
        int64 [N], the cluster of each row.
    """
    if not device.on_cpu():
        return lloyd.fit(
            rows, clusters, seed=seed, restarts=1, iterations=passes
        ).assigned
    from sklearn.cluster import MiniBatchKMeans  # A second, for few runs.

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
        rows: float32 [N, D].
        centres: float32 [C, D].

    Returns:
        float32 [N, C], not squared.
    """
    if not device.on_cpu():
        return lloyd.distances(rows, centres)
    from sklearn.metrics.pairwise import euclidean_distances

    return euclidean_distances(rows, centres)
