"""Weighted kNN, the protocol of Wu et al. and of the AND paper's tables."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation.votes import FIVE, Votes
from and_tf.search.nearest import summarise_nearest
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Knn:
    """What the classifier said of the Q queries that have labels.

    Attributes:
        numbers: int64 [Q], of the queries among all that were given.
        labels: int64 [Q], their true classes.
        predictions: int64 [Q], the class with the most votes, of equals the
            lower.
        shares: float64 [Q], the share of all votes that it has.
        nearest: int64 [Q, up to 5], the gallery's rows that are nearest.
        top5: Share of queries whose class is among the five with the most
            votes; None where there are no more than five.
        nearest_top1: Share of queries whose class is that of the nearest.
        neighbours: K, no more than there are to vote.
        voters: Rows of the gallery with labels.
        temperature: τ.
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
        """bool [Q]."""
        return self.predictions == self.labels

    @property
    def top1(self) -> float:
        """Share of queries whose class has the most votes."""
        return float(self.right.mean())


def most_neighbours(
    wanted: int, gallery_labels: np.ndarray, leave_one_out: bool
) -> int:
    """K: as many as are wanted, or as there are to vote on a query.

    Args:
        wanted: At least 1.
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

    On a CPU it takes, beside the arguments, the memory of `nearest`, 12 bytes
    for each of Q · K neighbours and 32 for each of `votes.SLICE` · C ballots:
    120 and 66 MB for ImageNet's 50,000 test images, K = 200 and C = 1,000. An
    accelerator counts the votes in the pass that finds the neighbours, see
    `votes.DeviceBallots`.

    Args:
        queries: float32 [Q, D], unit norm.
        labels: integer [Q].
        gallery: float32 [N, D], unit norm.
        gallery_labels: integer [N]; rows with −1 have no vote.
        neighbours: K, the number of neighbours that vote.
        temperature: τ of the votes.
        leave_one_out: Whether query i is gallery row i and has no vote on
            itself.
        processes: Whose devices share the search, see `nearest`.

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
        queries = gallery  # The very same, which halves the search.
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
