"""Fits a ridge probe: least squares on one-hot targets, in closed form.

It minimises Σ_i |y_i − W x_i − b|² + λ |W|² over standardised features x_i,
and predicts the class with the highest score. λ is chosen on a tenth of the
training images; then W is solved for all training images.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from and_tf.evaluation.features import Features
from and_tf.evaluation.linear_classifier import (
    LinearClassifier,
    Standardisation,
    top1,
)
from and_tf.search.products import full_precision

# The values of λ / N that are tried; standardised features have a variance
# of 1, so the same values suit all layers.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)


class Moments:
    """The sums that least squares needs, accumulated over chunks of rows.

    It keeps one float64 [d, d] and, during `solve`, up to three more. For
    d = 9,000 these take 2.6 GB, whatever the number of rows.

    Args:
        dimension: The number of features d.
        classes: The number of classes C.
    """

    def __init__(self, dimension: int, classes: int) -> None:
        self.count = 0
        self._rows = np.zeros(dimension)
        self._targets = np.zeros(classes)
        self._gram = np.zeros((dimension, dimension))
        self._cross = np.zeros((dimension, classes))

    def add(self, rows: tf.Tensor, labels: np.ndarray) -> None:
        """Adds rows, float32 [b, d], and their labels, int64 [b]."""
        targets = tf.one_hot(labels, len(self._targets))
        self.count += len(labels)
        self._rows += rows.numpy().sum(0, dtype=np.float64)
        self._targets += targets.numpy().sum(0, dtype=np.float64)
        with full_precision():
            self._gram += tf.matmul(rows, rows, transpose_a=True).numpy()
            self._cross += tf.matmul(rows, targets, transpose_a=True).numpy()

    def solve(self, penalty: float) -> LinearClassifier:
        """Solves for λ = penalty · N, by a Cholesky factorisation."""
        mean = self._rows / self.count
        priors = self._targets / self.count
        centred = np.outer(self._rows, mean)
        np.subtract(self._gram, centred, out=centred)
        centred[np.diag_indices_from(centred)] += penalty * self.count
        factor = tf.linalg.cholesky(centred)
        del centred
        right = self._cross - np.outer(self._rows, priors)
        weights = tf.linalg.cholesky_solve(factor, right).numpy()  # [d, C]
        bias = priors - mean @ weights
        return LinearClassifier(
            weights.astype(np.float32), bias.astype(np.float32)
        )


def fit(
    features: Features,
    labels: np.ndarray,
    classes: int,
    standardise: Standardisation,
    held_out: np.ndarray,
) -> tuple[LinearClassifier, float]:
    """Fits the classifier, with the λ that is best on held-out images.

    λ is chosen without the held-out images in training; the classifier is
    then solved for all images.

    Args:
        features: The features of N training images.
        labels: int64 [N], their classes.
        classes: The number of classes C.
        standardise: The standardisation of these features.
        held_out: bool [N], the images that λ is chosen on.

    Returns:
        The classifier and λ / N.
    """

    def chunks(chosen: np.ndarray) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
        for rows, numbers in features.batches():
            mask = chosen[numbers]
            if mask.any():
                rows = standardise(tf.boolean_mask(rows, mask))
                yield rows, labels[numbers[mask]]

    moments = Moments(features.dimension, classes)
    for rows, truth in chunks(~held_out):
        moments.add(rows, truth)
    tried = [moments.solve(penalty) for penalty in PENALTIES]
    shares = top1(tried, features, labels, standardise, among=held_out)
    best = PENALTIES[int(np.argmax(shares))]
    for rows, truth in chunks(held_out):
        moments.add(rows, truth)
    return moments.solve(best), best
