"""A linear classifier, and the standardisation that features get before it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from and_tf.evaluation.features import Features


@dataclasses.dataclass(frozen=True)
class Standardisation:
    """Mean and deviation of each feature over the training images.

    Attributes:
        mean: float32 [d].
        scale: float32 [d]; 1 where a feature never varies.
    """

    mean: np.ndarray
    scale: np.ndarray

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        """Standardises float32 [b, d]."""
        return (rows - self.mean) / self.scale


@dataclasses.dataclass(frozen=True)
class LinearClassifier:
    """Scores x · weights + bias of standardised features x.

    Attributes:
        weights: float32 [d, C].
        bias: float32 [C].
    """

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, rows: tf.Tensor) -> np.ndarray:
        """The classes of standardised rows, int64 [b]."""
        return tf.argmax(rows @ self.weights + self.bias, axis=1).numpy()


def standardisation(features: Features) -> Standardisation:
    """Takes mean and deviation, in sums of float64."""
    total = np.zeros(features.dimension)
    squares = np.zeros(features.dimension)
    count = 0
    for rows, _ in features.batches():
        rows = rows.numpy()
        total += rows.sum(0, dtype=np.float64)
        squares += np.square(rows).sum(0, dtype=np.float64)
        count += len(rows)
    mean = total / count
    variance = squares / count - mean**2
    # What is left of a constant's variance is rounding.
    varies = variance > 1e-7 * squares / count
    scale = np.sqrt(np.where(varies, variance, 1.0))
    return Standardisation(mean.astype(np.float32), scale.astype(np.float32))


def top1(
    classifiers: Sequence[LinearClassifier],
    features: Features,
    labels: np.ndarray,
    standardise: Standardisation,
    among: np.ndarray | None = None,
) -> list[float]:
    """The share that each classifier has right, in one pass.

    Args:
        classifiers: All of the same features.
        features: Of N images.
        labels: int64 [N].
        standardise: That of the training.
        among: bool [N], the images asked; None asks all.
    """
    among = np.ones(len(labels), bool) if among is None else among
    hits = np.zeros(len(classifiers))
    for rows, numbers in features.batches():
        asked = among[numbers]
        if not asked.any():
            continue
        rows = standardise(tf.boolean_mask(rows, asked))
        truth = labels[numbers[asked]]
        hits += [(c(rows) == truth).sum() for c in classifiers]
    return [float(share) for share in hits / among.sum()]
