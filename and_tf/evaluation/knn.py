"""Weighted kNN, the protocol of Wu et al. and of the AND paper's tables."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.errors import InputError
from and_tf.search.nearest import nearest
from and_tf.team import Team

SLICE = 2048  # Queries whose votes are counted at a time.


@dataclasses.dataclass(frozen=True)
class Knn:
    """What the classifier said.

    Attributes:
        top1: Share of queries whose class has the most votes.
        top5: Share of queries whose class is among the five with the most.
        nearest: Share of queries whose class is that of the nearest alone.
        neighbours: K, no more than the gallery has.
        predictions: int64 [Q], the class with the most votes.
    """

    top1: float
    top5: float
    nearest: float
    neighbours: int
    predictions: np.ndarray


def weighted_knn(
    queries: np.ndarray,
    labels: np.ndarray,
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    *,
    neighbours: int = 200,
    temperature: float = 0.1,
    leave_one_out: bool = False,
    team: Team | None = None,
) -> Knn:
    """Classifies by votes of the K nearest, each with weight exp(cos / τ).

    Beside the arguments it takes what `nearest` does, 12 bytes for each of
    Q · K neighbours and 32 for each of `SLICE` · C ballots: for ImageNet's
    50,000 test images, K = 200 and C = 1,000, 120 and 66 MB.

    Args:
        queries: float32 [Q, D], unit norm.
        labels: integer [Q].
        gallery: float32 [N, D], unit norm.
        gallery_labels: integer [N]; rows with −1 have no vote.
        neighbours: K.
        temperature: τ.
        leave_one_out: Whether query i is gallery row i and has no vote on
            itself.
        team: Who shares out the search, see `nearest`.

    Raises:
        InputError: If there is no label, or only −1, on either side.
    """
    votes = gallery_labels >= 0
    asked = labels >= 0
    if not votes.any() or not asked.any():
        raise InputError(
            "Expected labels for a kNN evaluation. Received none: use a data "
            "set with labels, or class sub-folders."
        )
    if leave_one_out:
        asked = votes  # So that query i stays row i.
    gallery, gallery_labels = gallery[votes], gallery_labels[votes]
    queries, labels = queries[asked], labels[asked]
    k = min(neighbours, len(gallery) - int(leave_one_out))
    found = nearest(queries, gallery, k, exclude_self=leave_one_out, team=team)

    classes = int(max(gallery_labels.max(), labels.max())) + 1
    ranking = np.concatenate(
        [
            _most_voted(
                ballots(
                    found.similarity[i : i + SLICE],
                    gallery_labels[found.index[i : i + SLICE]],
                    temperature,
                    classes,
                )
            )
            for i in range(0, len(queries), SLICE)
        ]
    )
    hits = ranking == labels[:, None]
    return Knn(
        float(hits[:, 0].mean()),
        float(hits.any(1).mean()),
        float((gallery_labels[found.index[:, 0]] == labels).mean()),
        k,
        ranking[:, 0],
    )


def ballots(
    similarity: np.ndarray,
    labels: np.ndarray,
    temperature: float,
    classes: int,
) -> np.ndarray:
    """The votes that each class has, exp(cos / τ) of each neighbour.

    Args:
        similarity: float32 [q, k].
        labels: integer [q, k], of the same neighbours.
        temperature: τ.
        classes: C.

    Returns:
        float64 [q, C].
    """
    count = len(similarity)
    place = np.arange(count)[:, None] * classes + labels  # [q, k] in [q · C]
    return np.bincount(
        place.ravel(),
        np.exp(similarity.ravel().astype(np.float64) / temperature),
        minlength=count * classes,
    ).reshape(count, classes)


def _most_voted(votes: np.ndarray) -> np.ndarray:
    """The five classes with the most votes, of equals the lower first.

    Args:
        votes: float64 [q, C].

    Returns:
        int64 [q, min(5, C)].
    """
    return np.argsort(-votes, axis=1, kind="stable")[:, :5]
