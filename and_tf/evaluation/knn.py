"""Weighted kNN, the protocol of Wu et al. and of the AND paper's tables."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.errors import InputError
from and_tf.nearest import nearest
from and_tf.team import Team


@dataclasses.dataclass(frozen=True)
class Knn:
    """What the classifier said.

    Attributes:
        top1: Share of queries whose class has the most votes.
        top5: Share of queries whose class is among the five with the most.
        neighbours: K, no more than the gallery has.
        predictions: int64 [Q], the class with the most votes.
    """

    top1: float
    top5: float
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
    place = np.arange(len(queries))[:, None] * classes
    place = place + gallery_labels[found.index]  # [Q, k] into [Q · classes]
    ballots = np.bincount(
        place.ravel(),
        np.exp(found.similarity.ravel().astype(np.float64) / temperature),
        minlength=len(queries) * classes,
    ).reshape(len(queries), classes)
    order = np.argsort(-ballots, axis=1, kind="stable")
    hits = order == labels[:, None]
    return Knn(
        float(hits[:, 0].mean()),
        float(hits[:, :5].any(1).mean()),
        k,
        order[:, 0],
    )
