"""Evaluates k-means on embeddings, the baseline of clustering."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import silhouette_score

from and_tf.evaluation import cluster_metrics
from and_tf.search import kmeans
from and_tf.utils.errors import InputError

RESTARTS = 3  # Restarts per seed; the one with the least inertia is kept.
# The most samples for the silhouette, which needs all pairs of distances.
SILHOUETTE = 2000


@dataclasses.dataclass(frozen=True)
class Partition:
    """The clusters that one k-means found.

    Attributes:
        train: int64 [N], the clusters of the samples that it was fit on.
        asked: int64 [Q], the clusters of the query samples.
        distances: float32 [Q, C], the distances of the query samples from
            all centres.
    """

    train: np.ndarray
    asked: np.ndarray
    distances: np.ndarray


def partitions(
    train: np.ndarray, asked: np.ndarray | None, clusters: int, seeds: int
) -> Iterator[Partition]:
    """Fits k-means once per seed, keeping the best of `RESTARTS` restarts.

    Args:
        train: float32 [N, D], the samples that k-means is fit on.
        asked: float32 [Q, D], the query samples. None means `train`.
        clusters: The number of clusters C.
        seeds: The number of seeds; the seeds are 0, 1, ….

    Yields:
        The partition of each seed.

    Raises:
        InputError: If there are fewer samples than clusters.
    """
    if not 2 <= clusters <= len(train):
        raise InputError(
            f"Expected a number of clusters from 2 to {len(train):,}, the "
            f"samples there are. Received: {clusters}."
        )
    asked = train if asked is None else asked
    for seed in range(seeds):
        found = kmeans.fit(train, clusters, seed=seed, restarts=RESTARTS)
        distances = kmeans.distances(asked, found.centres)  # [Q, C]
        yield Partition(found.assigned, distances.argmin(1), distances)


def score(
    partition: Partition, labels: np.ndarray, clusters: int, classes: int
) -> cluster_metrics.Scores:
    """Scores the query samples' clusters against their labels, int64 [Q]."""
    return cluster_metrics.score(
        partition.asked, labels, clusters, classes, -partition.distances
    )


def silhouette(rows: np.ndarray, assigned: np.ndarray) -> float | None:
    """Computes the mean silhouette of at most 2,000 samples.

    The samples are drawn with a fixed seed.

    Args:
        rows: float32 [n, D], the embeddings.
        assigned: integer [n], the cluster of each sample.

    Returns:
        A value from −1 to 1, higher if the clusters are well separated. None
        if all drawn samples are in one cluster, or each is in its own.
    """
    chosen = np.arange(len(rows))
    if len(rows) > SILHOUETTE:
        drawn = np.random.default_rng(0).choice(
            len(rows), SILHOUETTE, replace=False
        )
        chosen = np.sort(drawn)
    found = len(np.unique(assigned[chosen]))
    if not 2 <= found < len(chosen):
        return None
    return float(silhouette_score(rows[chosen], assigned[chosen]))


def spread(scores: Sequence[cluster_metrics.Scores]) -> dict[str, Any]:
    """Computes the mean and standard deviation of each figure over seeds.

    Returns:
        `{"acc": …, "acc_std": …, …}`. The deviation is the sample standard
        deviation (n − 1), None for a single seed.
    """
    table: dict[str, Any] = {}
    for name in scores[0].figures():
        found = [s.figures()[name] for s in scores]
        values = [value for value in found if value is not None]
        if not values:
            table[name] = table[f"{name}_std"] = None
            continue
        table[name] = float(np.mean(values))
        table[f"{name}_std"] = (
            float(np.std(values, ddof=1)) if len(values) > 1 else None
        )
    return table
