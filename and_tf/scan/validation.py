"""Measures a clustering on the evaluation split.

The loss chooses among heads and needs no labels. Labels, if there are any,
only tell how good this choice was.
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
from and_tf.scan import losses as loss_functions
from and_tf.scan.temi_loss import temi_loss

NEAREST = 5  # The number of neighbours that an image is compared with.
# A larger share of all images in one cluster counts as a collapse, if there
# are more than three clusters.
MOST_IN_ONE = 0.5


@dataclasses.dataclass(frozen=True)
class Assessment:
    """The predictions of a clustering for M images, and their losses.

    Attributes:
        losses: float32 [H], the losses of the heads, see `validation_losses`.
        head: The index of the head with the lowest loss.
        probabilities: float32 [M, C], the predictions of this head.
        by_head: int64 [M, H], the cluster of each image by each head, or
            None.
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
        """The number of images in each cluster, int64 [C]."""
        clusters = self.probabilities.shape[1]
        return cluster_metrics.cluster_sizes(self.assigned, clusters)

    @property
    def used(self) -> int:
        """The number of clusters that have an image."""
        return int((self.sizes > 0).sum())

    @property
    def largest(self) -> float:
        """The share of all images that are in the largest cluster."""
        return float(self.sizes.max() / self.sizes.sum())

    @property
    def collapsed(self) -> bool:
        """True if half of the clusters are empty, or most images are in one.

        The second condition applies only to more than three clusters.
        """
        clusters = len(self.sizes)
        crowded = clusters > 3 and self.largest > MOST_IN_ONE
        return self.used <= clusters // 2 or crowded

    def accuracy(self, split: Split, classes: int) -> float | None:
        """Computes ACC, with clusters matched on the same images.

        Args:
            split: The split of the M images.
            classes: The number of classes.

        Returns:
            ACC, from 0 to 1; None without labels.
        """
        if not split.has_labels:
            return None
        counts = self.probabilities.shape[1]
        return cluster_metrics.score(
            self.assigned, split.labels, counts, classes
        ).acc


def assess(
    logits: tf.Tensor, neighbours: np.ndarray, beta: float | None = None
) -> Assessment:
    """Assesses all heads by their predictions for M images.

    Args:
        logits: float32 [M, H, C], the logits of each head.
        neighbours: int32 [M, K], the neighbours mined within the split.
        beta: The exponent β of heads that TEMI's loss has trained, which then
            chooses among them; None chooses by SCAN's loss.
    """
    if beta is None:
        losses = validation_losses(logits, neighbours)
    else:
        losses = temi_validation_losses(logits, neighbours, beta)
    head = int(losses.argmin())
    return Assessment(
        losses,
        head,
        softmax(logits[:, head].numpy(), axis=1),
        logits.numpy().argmax(2),
    )


def validation_losses(logits: tf.Tensor, neighbours: np.ndarray) -> np.ndarray:
    """Computes the losses that choose among heads and epochs, float32 [H].

    As in the authors' code, the loss is −mean log⟨Φ(X), Φ(other)⟩ − H(mean Φ),
    where the entropy has weight 1. The mean is over all images; the others of
    an image are itself and its `NEAREST` nearest neighbours.

    Args:
        logits: float32 [M, H, C], the logits of each head.
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


def temi_validation_losses(
    logits: tf.Tensor, neighbours: np.ndarray, beta: float
) -> np.ndarray:
    """Computes TEMI's loss of each head over all images, float32 [H].

    The mean is over all images with each of their `NEAREST` nearest
    neighbours. SCAN's loss would choose badly here: predictions that this loss
    sharpens are certain where two neighbours are not alike, and the logarithm
    of such a few then outweighs all others.

    Args:
        logits: float32 [M, H, C], the logits of each head.
        neighbours: int32 [M, K], the nearest first.
        beta: The exponent β.
    """
    shares = [
        temi_loss(logits, tf.gather(logits, of), beta).share
        for of in neighbours[:, :NEAREST].T
    ]  # [H] each
    return (tf.add_n(shares) / len(shares)).numpy()


def lowest_loss(history: Sequence[Mapping[str, Any]]) -> int:
    """Returns the number of epochs after which the loss was lowest.

    Epochs of self-labelling do not count, as they minimise another loss.

    Args:
        history: The logs of each epoch.

    Returns:
        The number of epochs; 0 without an epoch of clustering.
    """
    rows = [row for row in history if not row.get("stage")]
    best = min(rows, key=lambda row: row["validation_loss"], default=None)
    return best["epoch"] + 1 if best else 0


COLLAPSED = (
    "{used} of {clusters} clusters are used and the largest has {largest:.0f} "
    "% of the images. If this goes on, raise --batch_size, or "
    "--entropy_weight of --loss=scan, or lower --beta of --loss=temi, or check "
    "how many mined neighbours share a label."
)


class Validation(keras.callbacks.Callback):
    """A callback that adds figures of the evaluation split to the logs.

    It adds `validation_loss`, `head`, `clusters_used`, `largest_cluster` and,
    with labels, `acc`.

    Args:
        assess: A function that assesses the current model.
        accuracy: A function that returns the ACC of an assessment, or None
            without labels. ACC is only shown; it chooses nothing.
        figures: A function from an assessment to additional logs. None adds
            nothing.
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
        """Adds the figures to the logs and warns if clusters collapse."""
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
    """Describes collapsed clusters and suggests what to change."""
    return COLLAPSED.format(
        used=found.used,
        clusters=len(found.sizes),
        largest=100 * found.largest,
    )
