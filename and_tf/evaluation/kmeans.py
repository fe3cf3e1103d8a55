"""Evaluates k-means on embeddings, the baseline of clustering."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from and_tf.data.split import ImageData
from and_tf.evaluation import cluster_metrics
from and_tf.search import kmeans
from and_tf.utils.averages import mean_deviation
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

RESTARTS = 3  # Restarts per seed; the one with the least inertia is kept.


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


def over_seeds(scores: Sequence[cluster_metrics.Scores]) -> dict[str, Any]:
    """Computes the mean and standard deviation of each figure over seeds.

    Returns:
        `{"acc": …, "acc_std": …, …}`. The deviation is the sample standard
        deviation (n − 1), None for a single seed.
    """
    figures = [one.figures() for one in scores]
    table: dict[str, Any] = {}
    for name in figures[0]:
        table[name], table[f"{name}_std"] = mean_deviation(
            one[name] for one in figures
        )
    return table


def baseline(
    images: ImageData,
    train: np.ndarray,
    test: np.ndarray | None,
    clusters: int,
    seeds: int,
) -> dict[str, Any] | None:
    """Clusters embeddings by k-means and scores them like the clustering.

    Args:
        images: The data set.
        train: float32 [N, D], the embeddings of its training images.
        test: float32 [M, D], the embeddings of its test images. None scores
            the training images.
        clusters: The number of clusters C.
        seeds: The number of seeds; 0 leaves the baseline out.

    Returns:
        The means and deviations over the seeds, see `over_seeds`; None
        if `seeds` is 0 or there are no labels.
    """
    labels = (images.test or images.train).labels
    if not seeds or labels is None or not (labels >= 0).any():
        return None
    classes = cluster_metrics.number_of_classes(images)
    scores = []
    with Counted("k-means", seeds) as progress:
        for found in partitions(train, test, clusters, seeds):
            scores.append(score(found, labels, clusters, classes))
            progress.advance(1)
    return {
        **over_seeds(scores),
        "seeds": seeds,
        "features": "clean embeddings of the run, fit on its training images",
    }
