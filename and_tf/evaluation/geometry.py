"""Measures the geometry of embeddings: hubs and similarity by class."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.search.nearest import nearest


@dataclasses.dataclass(frozen=True)
class Hubness:
    """The hubness of embeddings [1]: how unequally samples are neighbours.

    N_k(i) counts the samples that have i among their k nearest neighbours;
    its mean is k. If there are hubs, its distribution has a long tail.

    [1] Radovanović et al., Hubs in Space, JMLR 11, 2010.
        https://www.jmlr.org/papers/v11/radovanovic10a.html

    Attributes:
        neighbours: The number of neighbours k.
        skewness: The third standardised moment of N_k; 0 if all N_k are
            equal.
        nobodys: The share of samples with N_k = 0.
        most: The largest N_k.
    """

    neighbours: int
    skewness: float
    nobodys: float
    most: int


def hubness(embeddings: np.ndarray, neighbours: int = 10) -> Hubness:
    """Counts how often each sample is a neighbour of another sample.

    It needs the memory that `nearest` needs, and k int32 for each sample.

    Args:
        embeddings: float32 [N, D], unit norm, N ≥ 2.
        neighbours: The number of neighbours k; at most N − 1 are used.
    """
    k = min(neighbours, len(embeddings) - 1)
    found = nearest(embeddings, embeddings, k, exclude_self=True)
    counts = np.bincount(found.index.ravel(), minlength=len(embeddings))
    off = counts - counts.mean()
    deviation = counts.std()
    skewness = np.mean((off / deviation) ** 3) if deviation else 0.0
    return Hubness(
        k, float(skewness), float((counts == 0).mean()), int(counts.max())
    )


def class_similarity(
    embeddings: np.ndarray, labels: np.ndarray
) -> tuple[float | None, float | None]:
    """Computes the mean cosine of pairs within and between classes.

    It needs sums only, as the products of all pairs of vectors add up to
    |Σ x|² − Σ |x|².

    Args:
        embeddings: float32 [N, D], unit norm.
        labels: int64 [N]; samples with a label of −1 are left out.

    Returns:
        (mean within classes, mean between classes), each None if there is no
        such pair.
    """
    known = labels >= 0
    x, classes = embeddings[known], labels[known]
    counts = np.bincount(classes)
    sums = np.zeros((len(counts), x.shape[1]))
    np.add.at(sums, classes, x)
    own = np.square(x, dtype=np.float64).sum()
    squares = np.square(sums).sum()
    pairs_within = (counts * (counts - 1)).sum()
    pairs_between = len(x) ** 2 - (counts**2).sum()
    within = squares - own
    between = np.square(sums.sum(0)).sum() - squares
    return (
        float(within / pairs_within) if pairs_within else None,
        float(between / pairs_between) if pairs_between else None,
    )
