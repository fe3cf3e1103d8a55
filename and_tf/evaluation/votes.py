"""Counts the votes of a query's neighbours, on host and accelerator."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np
import tensorflow as tf

SLICE = 2048  # Queries whose votes the host counts at a time.
FIVE = 5  # The number of classes and of neighbours to return.

Numbers = TypeVar("Numbers", np.ndarray, tf.Tensor)


def exponents(similarity: Numbers, temperature: float | tf.Tensor) -> Numbers:
    """Computes the logarithms of votes, (cos − highest) / τ.

    Subtracting the query's highest similarity changes neither the shares nor
    the order of the classes. It works for any τ, while exp(cos / τ) overflows
    for a small τ.

    Args:
        similarity: float64 [q, k], most similar first.
        temperature: The temperature τ of the votes.

    Returns:
        float64 [q, k], at most 0.
    """
    return (similarity - similarity[:, :1]) / temperature


def ballots(
    similarity: np.ndarray,
    labels: np.ndarray,
    temperature: float,
    classes: int,
) -> np.ndarray:
    """Counts the votes for each class; a vote has weight exp(`exponents`).

    Args:
        similarity: float32 [q, k], most similar first.
        labels: integer [q, k], the labels of the same neighbours.
        temperature: The temperature τ of the votes.
        classes: The number of classes C.

    Returns:
        float64 [q, C], the votes of each class.
    """
    count = len(similarity)
    place = np.arange(count)[:, None] * classes + labels  # [q, k] in [q · C]
    votes = np.exp(exponents(similarity.astype(np.float64), temperature))
    return np.bincount(
        place.ravel(), votes.ravel(), minlength=count * classes
    ).reshape(count, classes)


@dataclasses.dataclass(frozen=True)
class DeviceBallots:
    """A counter of votes for use in a function that XLA compiles.

    It counts in float64, as the host does. It adds in another order, so that
    shares differ by about 1e-15 and predictions differ only at exact ties.

    Attributes:
        classes: The number of classes C.
    """

    classes: int

    def __call__(
        self,
        similarity: tf.Tensor,
        index: tf.Tensor,
        labels: tf.Tensor,
        temperature: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Counts the votes of some queries' neighbours.

        Args:
            similarity: float32 [q, k], most similar first.
            index: int32 [q, k], the rows of the same neighbours.
            labels: int64 [N], the labels of all rows.
            temperature: float64 [], the temperature τ of the votes.

        Returns:
            The same as `Votes.of_arrays`, as tensors.
        """
        votes = exponents(tf.cast(similarity, tf.float64), temperature)
        theirs = tf.cast(tf.gather(labels, index), tf.int32)
        # This sums over k for each class. Scattered additions would have no
        # fixed order. XLA computes the sum without an array [q, k, C].
        counted = tf.reduce_sum(
            tf.where(
                theirs[:, :, None] == tf.range(self.classes),
                tf.exp(votes)[:, :, None],
                tf.zeros([], tf.float64),
            ),
            axis=1,
        )  # [q, C]
        # In a tie, top-k returns the lower class first.
        most = tf.math.top_k(counted, min(FIVE, self.classes))
        shares = most.values[:, 0] / tf.reduce_sum(counted, axis=1)
        return tf.cast(most.indices, tf.int64), shares, index[:, :FIVE]


class Votes:
    """A `search.summary.Summary` of neighbours by the classes they vote for.

    Args:
        labels: integer [N], the labels of the rows that are searched.
        temperature: The temperature τ of the votes.
        classes: The number of classes C.
    """

    def __init__(
        self, labels: np.ndarray, temperature: float, classes: int
    ) -> None:
        self._labels = labels
        self._temperature = temperature
        self._classes = classes
        # Bytes per query: the ballots, and the input and output of top-k,
        # each with indices.
        self.bytes_each = classes * (8 + 2 * (8 + 4))

    def of_arrays(
        self, similarity: np.ndarray, index: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts the votes of some queries' neighbours on the host.

        Args:
            similarity: float32 [q, k], most similar first.
            index: int32 [q, k], the rows of the same neighbours.

        Returns:
            The classes with the most votes, int64 [q, min(5, C)], the lower
            class first in a tie; the share of all votes that the first class
            has, float64 [q]; the nearest rows, int32 [q, up to 5].
        """
        count = len(index)
        first = np.empty([count, min(FIVE, self._classes)], np.int64)
        shares = np.empty(count)
        for start in range(0, count, SLICE):
            part = slice(start, start + SLICE)
            counted = ballots(
                similarity[part],
                self._labels[index[part]],
                self._temperature,
                self._classes,
            )
            order = np.argsort(-counted, axis=1, kind="stable")
            first[part] = order[:, :FIVE]
            shares[part] = counted.max(1) / counted.sum(1)
        return first, shares, index[:, :FIVE]

    def tensors(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Makes tensors of the labels, int64 [N], and of τ, float64 []."""
        return (
            tf.constant(self._labels, tf.int64),
            tf.constant(self._temperature, tf.float64),
        )

    def on_device(self) -> DeviceBallots:
        """Returns the counter of votes for a compiled function."""
        return DeviceBallots(self._classes)
