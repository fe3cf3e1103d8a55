"""What a clustering is worth on images that are not learnt from.

The loss chooses among heads and needs no label; labels, where there are any,
only tell how good the choice was.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
from scipy.special import softmax

from and_tf.clustering import objective
from and_tf.clustering.model import SCAN
from and_tf.data.split import Split
from and_tf.evaluation import clustering
from and_tf.evaluation.embeddings import embed

MOST_IN_ONE = 0.5  # Of all images, beyond which a cluster of several is odd.


@dataclasses.dataclass(frozen=True)
class Assessment:
    """Of M images.

    Attributes:
        losses: float32 [H], Λ over all mined neighbours.
        head: The one whose loss is lowest.
        probabilities: float32 [M, C], of this head.
        by_head: int64 [M, H], the cluster of each image by each head; None
            where it was not asked for.
    """

    losses: np.ndarray
    head: int
    probabilities: np.ndarray
    by_head: np.ndarray | None = None

    @property
    def assigned(self) -> np.ndarray:
        """The cluster of each image, int64 [M]."""
        return self.probabilities.argmax(1)

    @property
    def sizes(self) -> np.ndarray:
        """Images of each cluster, int64 [C]."""
        clusters = self.probabilities.shape[1]
        return clustering.cluster_sizes(self.assigned, clusters)

    @property
    def used(self) -> int:
        """Clusters that have an image."""
        return int((self.sizes > 0).sum())

    @property
    def largest(self) -> float:
        """The share of images that the largest cluster has."""
        return float(self.sizes.max() / self.sizes.sum())

    @property
    def collapsed(self) -> bool:
        """Whether most clusters are empty, or most images in one."""
        clusters = len(self.sizes)
        crowded = clusters > 3 and self.largest > MOST_IN_ONE
        return self.used <= clusters // 2 or crowded

    def accuracy(self, split: Split, classes: int) -> float | None:
        """ACC, the matching made on the images themselves; None unlabelled."""
        labels = split.labels
        if labels is None or not (labels >= 0).any():
            return None
        counts = self.probabilities.shape[1]
        return clustering.score(self.assigned, labels, counts, classes).acc


def assess(
    model: SCAN, split: Split, neighbours: np.ndarray, image_size: int
) -> Assessment:
    """Asks all heads of clean views.

    Args:
        model: In training or trained.
        split: M images.
        neighbours: int32 [M, K], mined within the split.
        image_size: S.
    """
    logits = model.by_head(embed(model, split, image_size))  # [M, H, C]
    losses = validation_losses(logits, neighbours, model.entropy_weight)
    head = int(losses.argmin())
    return Assessment(
        losses,
        head,
        softmax(logits[:, head].numpy(), axis=1),
        logits.numpy().argmax(2),
    )


def validation_losses(
    logits: tf.Tensor, neighbours: np.ndarray, entropy_weight: float
) -> np.ndarray:
    """Λ of each head over all neighbours of all images, float32 [H].

    Args:
        logits: float32 [M, H, C].
        neighbours: int32 [M, K].
        entropy_weight: λ.
    """
    consistency = [
        tf.reduce_mean(objective.consistency(logits, tf.gather(logits, of)), 0)
        for of in neighbours.T
    ]  # K of [H]
    mean = tf.reduce_mean(tf.nn.softmax(logits), axis=0)
    entropy = objective.entropy(mean)
    return (tf.add_n(consistency) / len(consistency)).numpy() - (
        entropy_weight * entropy.numpy()
    )
