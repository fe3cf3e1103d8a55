"""Measures a clustering on images that it does not learn from.

The loss chooses among heads and needs no label. Labels, where there are any,
only tell how good that choice was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.special import softmax

from and_tf.data.split import Split
from and_tf.evaluation import cluster_metrics
from and_tf.evaluation.embeddings import embed
from and_tf.scan import losses as loss_functions
from and_tf.scan.scan_model import SCAN

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
        return cluster_metrics.cluster_sizes(self.assigned, clusters)

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
        return cluster_metrics.score(
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
        tf.reduce_mean(
            loss_functions.consistency(logits, tf.gather(logits, of)), 0
        )
        for of in (own, *neighbours[:, :NEAREST].T)
    ]  # [H] each
    mean = tf.reduce_mean(tf.nn.softmax(logits), axis=0)
    average = tf.add_n(consistency) / len(consistency)
    return (average - loss_functions.entropy(mean)).numpy()


def lowest_loss(history: Sequence[Mapping[str, Any]]) -> int:
    """Epochs of clustering after which the loss was lowest, 0 for none.

    Self-labelling's are no such epochs: it has another objective.

    Args:
        history: Logs of epochs.
    """
    rows = [row for row in history if not row.get("stage")]
    best = min(rows, key=lambda row: row["validation_loss"], default=None)
    return best["epoch"] + 1 if best else 0


COLLAPSED = (
    "{used} of {clusters} clusters are used and the largest has {largest:.0f} "
    "% of the images. If it stays so, raise --entropy_weight, or "
    "--batch_size, or look at the agreement of the mined neighbours."
)


class Validation(keras.callbacks.Callback):
    """Adds `validation_loss`, `head`, `clusters_used`, … to the logs.

    Args:
        assess: Assesses the model as it is.
        accuracy: ACC of an assessment, None without labels. It is shown, and
            chooses nothing.
        figures: What else the logs are to say of an assessment.
    """

    def __init__(
        self,
        assess: Callable[[], Assessment],
        accuracy: Callable[[Assessment], float | None],
        figures: Callable[[Assessment], dict] | None = None,
    ) -> None:
        super().__init__()
        self._assess = assess
        self._accuracy = accuracy
        self._figures = figures
        self._warned = False

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Assesses, and says where clusters collapse."""
        if logs is None:
            return
        found = self._assess()
        logs["validation_loss"] = float(found.losses[found.head])
        logs["head"] = found.head
        logs["clusters_used"] = found.used
        logs["largest_cluster"] = found.largest
        acc = self._accuracy(found)
        if acc is not None:
            logs["acc"] = acc
        if self._figures is not None:
            logs.update(self._figures(found))
        if found.collapsed and not self._warned:
            print(f"after epoch {epoch + 1}, {describe(found)}", flush=True)
        self._warned = found.collapsed


def describe(found: Assessment) -> str:
    """What is wrong with clusters that collapsed, and what to do."""
    return COLLAPSED.format(
        used=found.used,
        clusters=len(found.sizes),
        largest=100 * found.largest,
    )
