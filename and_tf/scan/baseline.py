"""Runs the k-means baseline on the embeddings of the run."""

from __future__ import annotations

from typing import Any

import numpy as np

from and_tf.data.split import ImageData
from and_tf.evaluation import cluster_metrics, kmeans
from and_tf.utils.progress import Counted


def kmeans_baseline(
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
        The means and deviations over the seeds, see `kmeans.over_seeds`; None
        if `seeds` is 0 or there are no labels.
    """
    labels = (images.test or images.train).labels
    if not seeds or labels is None or not (labels >= 0).any():
        return None
    classes = cluster_metrics.number_of_classes(images)
    scores = []
    with Counted("k-means", seeds) as progress:
        for found in kmeans.partitions(train, test, clusters, seeds):
            scores.append(kmeans.score(found, labels, clusters, classes))
            progress.advance(1)
    return {
        **kmeans.over_seeds(scores),
        "seeds": seeds,
        "features": "clean embeddings of the run, fit on its training images",
    }
