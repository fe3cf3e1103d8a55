"""k-means on embeddings: the baseline that clustering has to beat."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import silhouette_score

from and_tf.evaluation import cluster_metrics
from and_tf.search import kmeans
from and_tf.utils.errors import InputError

RESTARTS = 3  # Of a seed; the one with the least inertia is kept.
# Samples that the silhouette is taken of; it asks for all their distances.
SILHOUETTE = 2000


@dataclasses.dataclass(frozen=True)
class Partition:
    """One k-means.

    Attributes:
        train: int64 [N], the clusters of the samples that it was fit on.
        asked: int64 [Q], those of the samples that are asked.
        distances: float32 [Q, C], of the latter from all centres.
    """

    train: np.ndarray
    asked: np.ndarray
    distances: np.ndarray


def partitions(
    train: np.ndarray, asked: np.ndarray | None, clusters: int, seeds: int
) -> Iterator[Partition]:
    """Fits k-means once a seed, each the best of `RESTARTS`.

    Args:
        train: float32 [N, D], what it is fit on.
        asked: float32 [Q, D]; None asks what it was fit on.
        clusters: C.
        seeds: How many, from 0.

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
    """Holds the asked samples' clusters against their labels, int64 [Q]."""
    return cluster_metrics.score(
        partition.asked, labels, clusters, classes, -partition.distances
    )


def silhouette(rows: np.ndarray, assigned: np.ndarray) -> float | None:
    """Mean silhouette of at most 2,000 samples, drawn from a fixed seed.

    Args:
        rows: float32 [n, D].
        assigned: integer [n].

    Returns:
        From −1 to 1, higher where clusters lie apart; None where all drawn
        samples are of one cluster, or each of its own.
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
    """Mean and standard deviation over seeds, by name.

    Returns:
        `{"acc": …, "acc_std": …, …}`; the deviation is that of a sample, and
        None of a single seed.
    """
    table: dict[str, Any] = {}
    for name in scores[0].figures():
        values = [s.figures()[name] for s in scores]
        if values[0] is None:
            table[name] = table[f"{name}_std"] = None
            continue
        table[name] = float(np.mean(values))
        table[f"{name}_std"] = (
            float(np.std(values, ddof=1)) if len(values) > 1 else None
        )
    return table
