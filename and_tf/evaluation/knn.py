"""Classifies by weighted kNN, the protocol of Wu et al. and the AND paper."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation.votes import FIVE, Votes
from and_tf.search.nearest import summarise_nearest
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Knn:
    """The results of the classifier on the Q queries that have labels.

    Attributes:
        numbers: int64 [Q], the indices of these queries among all queries.
        labels: int64 [Q], their true classes.
        predictions: int64 [Q], the class with the most votes; in a tie, the
            lower class.
        shares: float64 [Q], the predicted class's share of all votes.
        nearest: int64 [Q, up to 5], the nearest rows of the gallery.
        top5: The share of queries whose class is among the five classes with
            the most votes; None if there are at most five classes.
        nearest_top1: The share of queries whose nearest row has their class.
        neighbours: The number of neighbours K that voted, at most the number
            of voters.
        voters: The number of gallery rows with labels.
        temperature: The temperature τ of the votes.
    """

    numbers: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    shares: np.ndarray
    nearest: np.ndarray
    top5: float | None
    nearest_top1: float
    neighbours: int
    voters: int
    temperature: float

    @property
    def right(self) -> np.ndarray:
        """The correctness of each prediction, bool [Q]."""
        return self.predictions == self.labels

    @property
    def top1(self) -> float:
        """The share of queries whose class has the most votes."""
        return float(self.right.mean())


def most_neighbours(
    wanted: int, gallery_labels: np.ndarray, leave_one_out: bool
) -> int:
    """Returns K, the number wanted or, if lower, the number of voters.

    Args:
        wanted: The number of neighbours wanted, at least 1.
        gallery_labels: integer [N]; rows with −1 have no vote.
        leave_one_out: Whether a query has no vote on itself.
    """
    voters = int(np.count_nonzero(gallery_labels >= 0))
    return min(wanted, voters - int(leave_one_out))


def weighted_knn(
    queries: np.ndarray,
    labels: np.ndarray,
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    *,
    neighbours: int = 200,
    temperature: float = 0.1,
    leave_one_out: bool = False,
    processes: ProcessGroup | None = None,
) -> Knn:
    """Classifies by votes of the K nearest, each with weight exp(cos / τ).

    On a CPU it needs, beside the arguments, the memory of `nearest`, 12 bytes
    for each of Q · K neighbours and 32 for each of `votes.SLICE` · C ballots:
    120 and 66 MB for ImageNet's 50,000 test images, K = 200 and C = 1,000. An
    accelerator counts the votes while it finds the neighbours, see
    `votes.DeviceBallots`.

    Args:
        queries: float32 [Q, D], unit norm.
        labels: integer [Q], the classes of the queries, −1 where unknown.
        gallery: float32 [N, D], unit norm.
        gallery_labels: integer [N]; rows with −1 have no vote.
        neighbours: The number of neighbours K that vote.
        temperature: The temperature τ of the votes.
        leave_one_out: Whether query i is gallery row i and has no vote on
            itself.
        processes: The processes whose devices share the search, see
            `nearest`. None searches on one device.

    Returns:
        The predictions for the queries that have labels, and their accuracy.

    Raises:
        InputError: If there is no label, or only −1, on either side.

    Examples:
        >>> import numpy as np
        >>> import and_tf
        >>> gallery = np.eye(3, dtype=np.float32)
        >>> queries = gallery[[0, 1, 1, 2]]
        >>> found = and_tf.weighted_knn(
        ...     queries,
        ...     np.array([0, 1, 1, 0]),
        ...     gallery,
        ...     np.array([0, 1, 2]),
        ...     neighbours=1,
        ... )
        >>> found.predictions.tolist(), found.top1
        ([0, 1, 1, 2], 0.75)
    """
    votes = gallery_labels >= 0
    asked = votes if leave_one_out else labels >= 0
    if not votes.any() or not asked.any():
        raise InputError(
            "Expected labels for a kNN evaluation. Received none: use a data "
            "set with labels, or class sub-folders."
        )
    k = most_neighbours(neighbours, gallery_labels, leave_one_out)
    rows, theirs = np.flatnonzero(votes), gallery_labels[votes]
    if not votes.all():
        gallery = gallery[votes]
    if leave_one_out:
        # `nearest` does half the work if both are the same array.
        queries = gallery
    elif not asked.all():
        queries = queries[asked]
    numbers, labels = np.flatnonzero(asked), labels[asked]
    classes = int(max(theirs.max(), labels.max())) + 1
    first, shares, nearest = summarise_nearest(
        queries,
        gallery,
        k,
        Votes(theirs, temperature, classes),
        exclude_self=leave_one_out,
        processes=processes,
    )
    return Knn(
        numbers,
        labels,
        predictions=first[:, 0],
        shares=shares,
        nearest=rows[nearest],
        top5=float((first == labels[:, None]).any(1).mean())
        if classes > FIVE
        else None,
        nearest_top1=float((theirs[nearest[:, 0]] == labels).mean()),
        neighbours=k,
        voters=len(rows),
        temperature=temperature,
    )
