"""Compares clusters with classes: matching, accuracy, NMI and ARI.

A cluster has no name, so each cluster is first matched to a class. The
Hungarian method matches one to one and maximises the accuracy on the same
samples that are counted, which is the protocol of SCAN and of earlier work.
If there are more clusters than classes, a majority vote matches many to one.
As more clusters fit any set of samples better, the samples that vote may
differ from the samples that are counted.

A label of −1 is unknown; samples with this label are not counted.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    silhouette_score,
)

from and_tf.data.split import ImageData
from and_tf.utils.errors import InputError

UNMATCHED = -1
TOP = 5
SLICE = 8192


@dataclasses.dataclass(frozen=True)
class Scores:
    """The figures of an assignment of samples to clusters.

    Attributes:
        acc: The accuracy after one-to-one matching, from 0 to 1. Samples of
            an unmatched cluster or class count as wrong.
        nmi: The normalised mutual information, from 0 to 1, normalised by
            the arithmetic mean of both entropies.
        ari: The adjusted Rand index; 0 is chance.
        acc_top5: The share of samples whose class is matched to one of their
            five most likely clusters. None if there are at most five
            clusters or no scores are given.
        matching: int64 [C], the class of each cluster, −1 if it has none.
        confusion: int64 [classes, classes + 1], the number of samples by
            class and by matched class. The last column counts samples whose
            cluster has no class.
        num_samples: The number of labelled samples that were counted.
    """

    acc: float
    nmi: float
    ari: float
    acc_top5: float | None
    matching: np.ndarray
    confusion: np.ndarray
    num_samples: int

    def figures(self) -> dict[str, float | None]:
        """Returns the figures that a table shows, by their names in JSON."""
        names = ("acc", "nmi", "ari", "acc_top5")
        return {name: getattr(self, name) for name in names}


def score(
    assigned: np.ndarray,
    labels: np.ndarray,
    clusters: int,
    classes: int,
    scores: np.ndarray | None = None,
) -> Scores:
    """Scores an assignment to clusters against labels.

    Args:
        assigned: integer [n] in 0..C − 1, the cluster of each sample.
        labels: integer [n] in 0..classes − 1, −1 where unknown.
        clusters: The number of clusters C.
        classes: The number of classes.
        scores: [n, C], the score of each sample for each cluster; the
            highest is the most likely. None leaves out `acc_top5`.

    Returns:
        The figures, over the samples with a known label.

    Raises:
        InputError: If no sample has a label.
    """
    known = known_labels(labels)
    assigned, labels = assigned[known], labels[known]
    counts = contingency(assigned, labels, clusters, classes)
    matching = match(counts)
    confusion = confusion_matrix(counts, matching)
    top = None
    if scores is not None and clusters > TOP:
        top = _top_accuracy(scores[known], labels, matching, TOP)
    return Scores(
        acc=float(np.trace(confusion) / len(labels)),
        nmi=float(normalized_mutual_info_score(labels, assigned)),
        ari=float(adjusted_rand_score(labels, assigned)),
        acc_top5=top,
        matching=matching,
        confusion=confusion,
        num_samples=len(labels),
    )


def known_labels(labels: np.ndarray) -> np.ndarray:
    """Returns the indices of samples with a known label, int64 [m].

    Raises:
        InputError: If no label is known.
    """
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise InputError(
            "Expected at least one labelled sample to compare the clusters "
            f"with. Received none among {len(labels):,}."
        )
    return known


def contingency(
    assigned: np.ndarray, labels: np.ndarray, clusters: int, classes: int
) -> np.ndarray:
    """Counts the samples of each cluster by label, int64 [C, classes].

    Args:
        assigned: integer [n] in 0..C − 1, the cluster of each sample.
        labels: integer [n] in 0..classes − 1, all of them known.
        clusters: The number of clusters C.
        classes: The number of classes.
    """
    pairs = assigned.astype(np.int64) * classes + labels
    counts = np.bincount(pairs, minlength=clusters * classes)
    return counts.reshape(clusters, classes)


def match(counts: np.ndarray) -> np.ndarray:
    """Matches clusters to classes one to one, by the Hungarian method.

    Args:
        counts: [C, classes], the counts from `contingency`.

    Returns:
        int64 [C], the class of each cluster. If there are more clusters than
        classes, the surplus clusters have −1.
    """
    matching = np.full(len(counts), UNMATCHED, np.int64)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matching[rows] = columns
    return matching


def majority(counts: np.ndarray) -> np.ndarray:
    """Matches each cluster to the class of most of its samples, many to one.

    Args:
        counts: [C, classes], the counts from `contingency`.

    Returns:
        int64 [C], the class of each cluster; −1 for an empty cluster.
    """
    return np.where(counts.any(1), counts.argmax(1), UNMATCHED)


def majority_accuracy(
    assigned: np.ndarray,
    labels: np.ndarray,
    voters: np.ndarray,
    voters_labels: np.ndarray,
    clusters: int,
    classes: int,
) -> float:
    """Computes the accuracy if a vote gives each cluster its class.

    Args:
        assigned: integer [n], the clusters of the samples that are counted.
        labels: integer [n], their labels, −1 where unknown.
        voters: integer [m], the clusters of the samples that vote.
        voters_labels: integer [m], their labels, −1 where unknown.
        clusters: The number of clusters C.
        classes: The number of classes.

    Returns:
        The accuracy, from 0 to 1.

    Raises:
        InputError: If all labels of either set are unknown.
    """
    votes, asked = known_labels(voters_labels), known_labels(labels)
    matching = majority(
        contingency(voters[votes], voters_labels[votes], clusters, classes)
    )
    return float(np.mean(matching[assigned[asked]] == labels[asked]))


def confusion_matrix(counts: np.ndarray, matching: np.ndarray) -> np.ndarray:
    """Counts samples by class and matched class.

    Args:
        counts: [C, classes], the counts from `contingency`.
        matching: int64 [C], the class of each cluster; −1 counts in the last
            column.

    Returns:
        int64 [classes, classes + 1].
    """
    classes = counts.shape[1]
    matrix = np.zeros((classes + 1, classes), np.int64)
    np.add.at(matrix, matching, counts)  # An index of −1 is the last row.
    return matrix.T


def cluster_sizes(assigned: np.ndarray, clusters: int) -> np.ndarray:
    """Counts the samples of each cluster, int64 [C]."""
    return np.bincount(assigned, minlength=clusters)


def draw(size: int, most: int) -> np.ndarray:
    """Draws samples at random, always the same ones of as many.

    A silhouette needs the distances of all pairs, so it is of some samples.

    Args:
        size: The number n of samples to draw from.
        most: The most samples to draw.

    Returns:
        int64 [m], their places in 0..n − 1, ascending; m ≤ `most`.
    """
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.default_rng(0).choice(size, most, replace=False))


def silhouette(
    rows: np.ndarray, assigned: np.ndarray, metric: str = "euclidean"
) -> float | None:
    """Computes the mean silhouette coefficient.

    Args:
        rows: float32 [m, D], the features of samples.
        assigned: integer [m], the cluster of each sample.
        metric: The distance, as scikit-learn names it.

    Returns:
        A value from −1 to 1, higher if the clusters are well separated. None
        if all samples are in one cluster, or each is in its own.
    """
    if not 1 < len(np.unique(assigned)) < len(assigned):
        return None
    return float(silhouette_score(rows, assigned, metric=metric))


def prototypes(probabilities: np.ndarray) -> np.ndarray:
    """Finds the most confident of the samples assigned to each cluster.

    Args:
        probabilities: [n, C], the probability of each cluster.

    Returns:
        int64 [C], indices in 0..n − 1; −1 for an empty cluster.
    """
    assigned = probabilities.argmax(1)
    own = np.where(
        assigned[:, None] == np.arange(probabilities.shape[1]),
        probabilities,
        -np.inf,
    )
    return np.where(np.isfinite(own).any(0), own.argmax(0), -1)


def classes_that_occur(images: ImageData) -> int:
    """Counts the classes that occur among the labels of a data set.

    If no image has a label, it counts the class names instead, of which there
    may be more.

    Returns:
        The number of classes; 0 if it is unknown.
    """
    splits = [s for s in (images.train, images.test) if s is not None]
    labels = [s.labels for s in splits if s.labels is not None]
    found = np.unique(np.concatenate(labels)) if labels else np.array([-1])
    return int((found >= 0).sum()) or number_of_classes(images)


def number_of_classes(images: ImageData) -> int:
    """Returns the number of classes by names or labels; 0 if unknown."""
    splits = [s for s in (images.train, images.test) if s is not None]
    named = [len(s.class_names) for s in splits if s.class_names]
    if named:
        return max(named)
    labels = [s.labels.max() for s in splits if s.labels is not None]
    return int(max(labels, default=-1)) + 1


def _top_accuracy(
    scores: np.ndarray, labels: np.ndarray, matching: np.ndarray, top: int
) -> float:
    """Computes how often one of the `top` best clusters has the label."""
    hits = 0
    for i in range(0, len(scores), SLICE):  # Slices bound the memory.
        order = np.argsort(-scores[i : i + SLICE], axis=1, kind="stable")
        matched = matching[order[:, :top]]
        hits += (matched == labels[i : i + SLICE, None]).any(1).sum()
    return float(hits / len(scores))
