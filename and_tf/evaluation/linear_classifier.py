"""Standardises features and classifies them linearly."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from and_tf.evaluation.features import Features


@dataclasses.dataclass(frozen=True)
class Standardisation:
    """The mean and deviation of each feature over the training images.

    Attributes:
        mean: float32 [d], the mean.
        scale: float32 [d], the standard deviation; 1 for constant features.
    """

    mean: np.ndarray
    scale: np.ndarray

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        """Standardises rows, float32 [b, d]."""
        return (rows - self.mean) / self.scale


@dataclasses.dataclass(frozen=True)
class LinearClassifier:
    """A classifier by scores x · weights + bias of standardised features x.

    Attributes:
        weights: float32 [d, C], the weights of d features for C classes.
        bias: float32 [C], the bias of each class.
    """

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, rows: tf.Tensor) -> np.ndarray:
        """Predicts the classes of standardised rows, int64 [b]."""
        return tf.argmax(rows @ self.weights + self.bias, axis=1).numpy()


def standardisation(features: Features) -> Standardisation:
    """Computes the mean and deviation of features, with float64 sums."""
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
    # The variance of a constant feature is a rounding error, not exactly 0.
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
    """Computes the accuracy of several classifiers in one pass.

    Args:
        classifiers: The classifiers, all on the same features.
        features: The features of N images.
        labels: int64 [N], their classes.
        standardise: The standardisation used in training.
        among: bool [N], which images are counted; None counts all.

    Returns:
        The share of right predictions of each classifier.
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
