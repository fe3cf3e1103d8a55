"""What a clustering is worth on images that are not learnt from.

The loss chooses among heads and needs no label; labels, where there are any,
only tell how good the choice was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import softmax

from and_tf.clustering import objective
from and_tf.clustering.model import SCAN
from and_tf.data.split import Split
from and_tf.evaluation import clustering
from and_tf.evaluation.embeddings import embed

NEAREST = 5  # Neighbours that an image is compared with.
MOST_IN_ONE = 0.5  # Of all images, beyond which a cluster of several is odd.


@dataclasses.dataclass(frozen=True)
class Assessment:
    """Of M images.

    Attributes:
        losses: float32 [H], see `validation_losses`.
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
        if not split.has_labels:
            return None
        counts = self.probabilities.shape[1]
        return clustering.score(
            self.assigned, split.labels, counts, classes
        ).acc


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
    losses = validation_losses(logits, neighbours)
    head = int(losses.argmin())
    return Assessment(
        losses,
        head,
        softmax(logits[:, head].numpy(), axis=1),
        logits.numpy().argmax(2),
    )


def validation_losses(logits: tf.Tensor, neighbours: np.ndarray) -> np.ndarray:
    """The loss that chooses among heads and epochs, float32 [H].

    As in the authors' code it is −mean log⟨Φ(X), Φ(other)⟩ − H(mean Φ), an
    entropy of weight 1, over all images and, as the others of each, itself
    and its `NEAREST` nearest neighbours.

    Args:
        logits: float32 [M, H, C].
        neighbours: int32 [M, K], the nearest first.
    """
    own = np.arange(len(neighbours))
    consistency = [
        tf.reduce_mean(objective.consistency(logits, tf.gather(logits, of)), 0)
        for of in (own, *neighbours[:, :NEAREST].T)
    ]  # [H] each
    mean = tf.reduce_mean(tf.nn.softmax(logits), axis=0)
    average = tf.add_n(consistency) / len(consistency)
    return (average - objective.entropy(mean)).numpy()


def lowest_loss(history: Sequence[Mapping[str, Any]]) -> int:
    """Epochs of clustering after which the loss was lowest, 0 for none.

    Self-labelling's are no such epochs: it has another objective.

    Args:
        history: Logs of epochs.
    """
    rows = [row for row in history if not row.get("stage")]
    best = min(rows, key=lambda row: row["validation_loss"], default=None)
    return best["epoch"] + 1 if best else 0
