"""What weighted kNN says of every query, and how sure it is."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.evaluation.knn import SLICE, ballots
from and_tf.search.nearest import nearest
from and_tf.trained import Trained

SHOWN = 5  # Neighbours that are kept to be looked at.


@dataclasses.dataclass(frozen=True)
class Votes:
    """The votes on Q queries with labels, by their K nearest in the gallery.

    Attributes:
        numbers: int64 [Q], of the queries in their split.
        labels: int64 [Q], their true classes.
        predictions: int64 [Q], the class with the most votes.
        shares: float64 [Q], the share of all votes that it has.
        nearest: int64 [Q, up to 5], numbers of the nearest training images.
        neighbours: K.
        temperature: τ.
    """

    numbers: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    shares: np.ndarray
    nearest: np.ndarray
    neighbours: int
    temperature: float

    @property
    def right(self) -> np.ndarray:
        """bool [Q]."""
        return self.predictions == self.labels

    @property
    def top1(self) -> float:
        """The share of queries whose class has the most votes."""
        return float(self.right.mean())


def votes(run: Trained) -> Votes:
    """Asks the training images' clean embeddings, as a run's last figure does.

    K and τ are the run's. Without a test split, each training image is asked
    about by all others.

    Args:
        run: With labels on both sides, see `RunKnn.possible`.
    """
    train, test = run.images.train, run.images.test
    temperature = run.config.knn_temperature
    voters = np.flatnonzero(train.labels >= 0)
    numbers = voters
    if test is not None:
        numbers = np.flatnonzero(test.labels >= 0)
    labels = (test or train).labels[numbers]
    k = min(run.config.knn_neighbours, len(voters) - (test is None))
    found = nearest(
        run.query_embeddings[numbers],
        run.train_embeddings[voters],
        k,
        exclude_self=test is None,
    )
    theirs = train.labels[voters]
    classes = int(max(theirs.max(), labels.max())) + 1
    predictions = np.empty(len(numbers), np.int64)
    shares = np.empty(len(numbers))
    for i in range(0, len(numbers), SLICE):
        part = slice(i, i + SLICE)
        counted = ballots(
            found.similarity[part],
            theirs[found.index[part]],
            temperature,
            classes,
        )
        predictions[part] = counted.argmax(1)  # Of equals the lower.
        shares[part] = counted.max(1) / counted.sum(1)
    return Votes(
        numbers,
        labels,
        predictions,
        shares,
        voters[found.index[:, :SHOWN]],
        k,
        temperature,
    )
