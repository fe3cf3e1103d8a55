"""How embeddings lie on the sphere: hubs, and likeness within classes."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.search.nearest import nearest


@dataclasses.dataclass(frozen=True)
class Hubness:
    """How unequally samples are others' neighbours [1].

    N_k(i) counts the samples that have i among their k nearest; its mean is
    k. With hubs, it has a long tail.

    [1] Radovanović et al., Hubs in Space, JMLR 11, 2010.
        https://www.jmlr.org/papers/v11/radovanovic10a.html

    Attributes:
        neighbours: k.
        skewness: Of N_k, its third standardised moment; 0 where all are
            equal.
        nobodys: Share of the samples with N_k = 0.
        most: The largest N_k.
    """

    neighbours: int
    skewness: float
    nobodys: float
    most: int


def hubness(embeddings: np.ndarray, neighbours: int = 10) -> Hubness:
    """Counts whose neighbour each sample is, itself left out.

    Takes what `nearest` says, and k int32 a sample.

    Args:
        embeddings: float32 [N, D], unit norm, N ≥ 2.
        neighbours: k, no more than N − 1 are taken.
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
    """Mean cosine of all pairs within a class, and of all between two.

    From sums alone: the products of all pairs of some vectors add up to
    |Σ x|² − Σ |x|².

    Args:
        embeddings: float32 [N, D], unit norm.
        labels: int64 [N]; samples with −1 are in no pair.

    Returns:
        (within, between); None where there is no such pair.
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
