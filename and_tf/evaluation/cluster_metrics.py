"""How well clusters are classes: matching, accuracy, NMI and ARI.

A cluster has no name, so before anything is counted each is matched to a
class. The Hungarian method matches one to one and chooses what makes the
accuracy highest on the very samples that are counted: the protocol of SCAN
and of those before it. Where there are more clusters than classes, a vote
matches many to one; as more clusters would fit any samples better, theirs may
be others than those that are counted.

A label of −1 is unknown; such samples count nowhere.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from and_tf.data.split import ImageData
from and_tf.utils.errors import InputError

UNMATCHED = -1
TOP = 5
SLICE = 8192


@dataclasses.dataclass(frozen=True)
class Scores:
    """Figures of an assignment of samples to clusters.

    Attributes:
        acc: Accuracy after matching one to one. Clusters and classes that
            are left over are wrong.
        nmi: Normalised mutual information, by the arithmetic mean of both
            entropies.
        ari: Adjusted Rand index; 0 is chance.
        acc_top5: How often the class is among those that the five likeliest
            clusters are matched to; None where five are all, or no scores
            are known.
        matching: int64 [C], the class of each cluster; −1 has none.
        confusion: int64 [classes, classes + 1], samples by class and by the
            class that their cluster is matched to; the last column is of
            clusters without one.
        num_samples: How many labelled samples were counted.
    """

    acc: float
    nmi: float
    ari: float
    acc_top5: float | None
    matching: np.ndarray
    confusion: np.ndarray
    num_samples: int

    def figures(self) -> dict[str, float | None]:
        """What a table shows, as JSON has it."""
        names = ("acc", "nmi", "ari", "acc_top5")
        return {name: getattr(self, name) for name in names}


def score(
    assigned: np.ndarray,
    labels: np.ndarray,
    clusters: int,
    classes: int,
    scores: np.ndarray | None = None,
) -> Scores:
    """Holds clusters against labels.

    Args:
        assigned: integer [n] in 0..C − 1, the cluster of each sample.
        labels: integer [n] in 0..classes − 1, −1 where unknown.
        clusters: C.
        classes: How many there are.
        scores: [n, C], higher where a sample belongs more to a cluster.

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
    """The places of samples whose label is known, int64 [m].

    Raises:
        InputError: If there is none.
    """
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise InputError(
            "Expected a labelled sample or more to hold clusters against. "
            f"Received none among {len(labels):,}."
        )
    return known


def contingency(
    assigned: np.ndarray, labels: np.ndarray, clusters: int, classes: int
) -> np.ndarray:
    """How many samples of each cluster have each label, int64 [C, classes].

    Args:
        assigned: integer [n] in 0..C − 1.
        labels: integer [n] in 0..classes − 1, all known.
        clusters: C.
        classes: How many there are.
    """
    pairs = assigned.astype(np.int64) * classes + labels
    counts = np.bincount(pairs, minlength=clusters * classes)
    return counts.reshape(clusters, classes)


def match(counts: np.ndarray) -> np.ndarray:
    """The class of each cluster, one to one, by the Hungarian method.

    Args:
        counts: [C, classes], as `contingency` gives them.

    Returns:
        int64 [C]; −1 where there are more clusters than classes.
    """
    matching = np.full(len(counts), UNMATCHED, np.int64)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matching[rows] = columns
    return matching


def majority(counts: np.ndarray) -> np.ndarray:
    """The class of each cluster, many to one: that of most of its samples.

    Args:
        counts: [C, classes], as `contingency` gives them.

    Returns:
        int64 [C]; −1 for a cluster without a sample.
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
    """Accuracy where each cluster is the class of most of its voters.

    Args:
        assigned: integer [n], clusters of the samples that are counted.
        labels: integer [n], their labels.
        voters: integer [m], clusters of the samples that vote.
        voters_labels: integer [m], their labels.
        clusters: C.
        classes: How many there are.

    Raises:
        InputError: If none of either has a label.
    """
    votes, asked = known_labels(voters_labels), known_labels(labels)
    matching = majority(
        contingency(voters[votes], voters_labels[votes], clusters, classes)
    )
    return float(np.mean(matching[assigned[asked]] == labels[asked]))


def confusion_matrix(counts: np.ndarray, matching: np.ndarray) -> np.ndarray:
    """Samples by class and matched class, int64 [classes, classes + 1].

    Args:
        counts: [C, classes], as `contingency` gives them.
        matching: int64 [C]; what is −1 goes into the last column.
    """
    classes = counts.shape[1]
    matrix = np.zeros((classes + 1, classes), np.int64)
    np.add.at(matrix, matching, counts)  # −1 is the last row.
    return matrix.T


def cluster_sizes(assigned: np.ndarray, clusters: int) -> np.ndarray:
    """How many samples each cluster has, int64 [C]."""
    return np.bincount(assigned, minlength=clusters)


def prototypes(probabilities: np.ndarray) -> np.ndarray:
    """The most confident sample of each cluster, of those that it has.

    Args:
        probabilities: [n, C].

    Returns:
        int64 [C], places in 0..n − 1; −1 for a cluster that has no sample.
    """
    assigned = probabilities.argmax(1)
    own = np.where(
        assigned[:, None] == np.arange(probabilities.shape[1]),
        probabilities,
        -np.inf,
    )
    return np.where(np.isfinite(own).any(0), own.argmax(0), -1)


def classes_that_occur(images: ImageData) -> int:
    """Counts the classes that any image of a data set has.

    A data set may have names for more; these count where no image has a
    label.

    Returns:
        The number; 0 where it is unknown.
    """
    splits = [s for s in (images.train, images.test) if s is not None]
    labels = [s.labels for s in splits if s.labels is not None]
    found = np.unique(np.concatenate(labels)) if labels else np.array([-1])
    return int((found >= 0).sum()) or number_of_classes(images)


def number_of_classes(images: ImageData) -> int:
    """How many classes a data set has by its names or labels; 0: unknown."""
    splits = [s for s in (images.train, images.test) if s is not None]
    named = [len(s.class_names) for s in splits if s.class_names]
    if named:
        return max(named)
    labels = [s.labels.max() for s in splits if s.labels is not None]
    return int(max(labels, default=-1)) + 1


def _top_accuracy(
    scores: np.ndarray, labels: np.ndarray, matching: np.ndarray, top: int
) -> float:
    """How often the label is matched to one of the `top` best clusters."""
    hits = 0
    for i in range(0, len(scores), SLICE):  # Which orders no more at a time.
        order = np.argsort(-scores[i : i + SLICE], axis=1, kind="stable")
        matched = matching[order[:, :top]]
        hits += (matched == labels[i : i + SLICE, None]).any(1).sum()
    return float(hits / len(scores))
