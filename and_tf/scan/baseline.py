"""k-means on the embeddings that neighbours are mined from."""

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
    """What clustering without learning gives, matched on the same images.

    Args:
        images: The data set.
        train: float32 [N, D], embeddings of its training images.
        test: float32 [M, D], of its test images; None asks the former.
        clusters: C.
        seeds: How often; 0 is not at all.

    Returns:
        Means and deviations over the seeds, see `kmeans.spread`; None where
        nothing was asked for or there are no labels.
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
        **kmeans.spread(scores),
        "seeds": seeds,
        "features": "clean embeddings of the run, fit on its training images",
    }
