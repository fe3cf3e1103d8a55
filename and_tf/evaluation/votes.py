"""The votes of a query's neighbours on its class, on host and accelerator."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np
import tensorflow as tf

SLICE = 2048  # Queries whose votes are counted at a time on the host.
FIVE = 5  # Classes, and neighbours to be looked at.

Numbers = TypeVar("Numbers", np.ndarray, tf.Tensor)


def exponents(similarity: Numbers, temperature: float | tf.Tensor) -> Numbers:
    """Computes the logarithms of votes, (cos − highest) / τ.

    Less the query's highest similarity, which changes no share and which of
    the classes has most, and holds for any τ, where exp(cos / τ) overflows.

    Args:
        similarity: float64 [q, k], most similar first.
        temperature: τ.

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
    """Counts the votes that each class has, exp(`exponents`) of a neighbour.

    Args:
        similarity: float32 [q, k], most similar first.
        labels: integer [q, k], of the same neighbours.
        temperature: τ.
        classes: C.

    Returns:
        float64 [q, C].
    """
    count = len(similarity)
    place = np.arange(count)[:, None] * classes + labels  # [q, k] in [q · C]
    votes = np.exp(exponents(similarity.astype(np.float64), temperature))
    return np.bincount(
        place.ravel(), votes.ravel(), minlength=count * classes
    ).reshape(count, classes)


@dataclasses.dataclass(frozen=True)
class DeviceBallots:
    """Counts votes within a function that XLA compiles.

    In float64, as the host does. Their sums have another order there, so
    that shares differ by some 1e-15, and predictions at exact ties alone.

    Attributes:
        classes: C.
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
            index: int32 [q, k].
            labels: int64 [N], of all rows.
            temperature: float64 [], τ.

        Returns:
            As `Votes.of_arrays`.
        """
        votes = exponents(tf.cast(similarity, tf.float64), temperature)
        theirs = tf.cast(tf.gather(labels, index), tf.int32)
        # A sum over k for each class, and no scattered additions: these have
        # no fixed order. XLA computes it without holding [q, k, C].
        counted = tf.reduce_sum(
            tf.where(
                theirs[:, :, None] == tf.range(self.classes),
                tf.exp(votes)[:, :, None],
                tf.zeros([], tf.float64),
            ),
            axis=1,
        )  # [q, C]
        # Of equals, top-k has the lower class first.
        most = tf.math.top_k(counted, min(FIVE, self.classes))
        shares = most.values[:, 0] / tf.reduce_sum(counted, axis=1)
        return tf.cast(most.indices, tf.int64), shares, index[:, :FIVE]


class Votes:
    """Summarises neighbours as the classes that they vote for.

    A `search.summary.Summary`.

    Args:
        labels: integer [N], of the rows that are searched.
        temperature: τ.
        classes: C.
    """

    def __init__(
        self, labels: np.ndarray, temperature: float, classes: int
    ) -> None:
        self._labels = labels
        self._temperature = temperature
        self._classes = classes
        # The ballots, and what top-k sorts and has sorted, with places.
        self.bytes_each = classes * (8 + 2 * (8 + 4))

    def of_arrays(
        self, similarity: np.ndarray, index: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts the votes of some queries' neighbours on the host.

        Args:
            similarity: float32 [q, k], most similar first.
            index: int32 [q, k].

        Returns:
            The classes with the most votes, of equals the lower first, int64
            [q, min(5, C)]; the share of all votes that the first has, float64
            [q]; the rows that are nearest, int32 [q, up to 5].
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
        """Makes the labels, int64 [N], and τ, float64 []."""
        return (
            tf.constant(self._labels, tf.int64),
            tf.constant(self._temperature, tf.float64),
        )

    def on_device(self) -> DeviceBallots:
        """Returns what counts votes within a compiled function."""
        return DeviceBallots(self._classes)
