"""Measures the neighbourhoods of one round, and of two successive rounds."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.method.discovery import Neighbourhoods, consistency


@dataclasses.dataclass(frozen=True)
class Agreement:
    """The agreement of neighbourhoods with labels, as in Figure 6.

    Attributes:
        consistent: The number of anchors whose labelled neighbours all have
            the anchor's label.
        inconsistent: The number of other anchors. Anchors without known
            labels count in neither.
        consistency: The mean share of an anchor's neighbours that have its
            label; None if no anchor has labels.
        consistency_all: The same share over all samples.
    """

    consistent: int
    inconsistent: int
    consistency: float | None
    consistency_all: float | None


def agreement(found: Neighbourhoods, labels: np.ndarray) -> Agreement:
    """Compares a round's neighbourhoods with labels.

    Args:
        found: The neighbourhoods of N samples.
        labels: int64 [N], −1 where a sample has none.
    """
    shares = consistency(found.neighbours, labels)
    known = np.isfinite(shares)
    of_anchors = shares[known & found.is_anchor]
    consistent = int((of_anchors == 1).sum())
    return Agreement(
        consistent,
        len(of_anchors) - consistent,
        mean_or_none(of_anchors),
        mean_or_none(shares[known]),
    )


def mean_or_none(values: np.ndarray) -> float | None:
    """Returns the mean of values [n], or None if there are no values."""
    return float(values.mean(dtype=np.float64)) if len(values) else None


def anchors_kept(before: np.ndarray, now: np.ndarray) -> float | None:
    """Computes the share of a round's anchors that stay anchors in the next.

    Args:
        before: bool [N], which samples were anchors.
        now: bool [N], which samples are anchors in the next round.
    """
    return mean_or_none(now[before])


def neighbours_kept(before: np.ndarray, now: np.ndarray) -> float:
    """Computes the mean share of neighbours that the next round has too.

    Args:
        before: integer [N, k], the neighbours of each sample, all different.
        now: integer [N, k], the neighbours in the next round.
    """
    both = np.zeros(len(now), np.int64)
    for column in before.T:  # One column at a time needs no [N, k, k] array.
        both += (now == column[:, None]).any(1)
    return float(both.mean() / before.shape[1])


def neighbours_pull(
    embeddings: np.ndarray,
    rows: np.ndarray,
    neighbours: np.ndarray,
    temperature: float,
) -> np.ndarray:
    """Computes the share of each sample's pull that its neighbours have.

    The loss pulls an anchor towards the members of its neighbourhood, itself
    included, by p̃_ij = p_ij / Σ_{l ∈ {i} ∪ N(i)} p_il (equation 10). If the
    neighbours' share is near 0, training is almost instance learning, even if
    the neighbours are right.

    Args:
        embeddings: float32 [N, D], unit norm.
        rows: float32 [N, D], the memory bank.
        neighbours: integer [N, k], the neighbours of each sample.
        temperature: The temperature τ of the loss.

    Returns:
        float32 [N], Σ_{j ∈ N(i)} p̃_ij.
    """
    own = np.einsum("nd,nd->n", embeddings, rows) / temperature
    against = np.full_like(own, -np.inf)  # log Σ_j p_ij / p_ii
    for column in neighbours.T:  # One column at a time needs no [N, k, D].
        theirs = np.einsum("nd,nd->n", embeddings, rows[column]) / temperature
        against = np.logaddexp(against, theirs - own)
    return -np.expm1(-np.logaddexp(0, against))


def binned_consistency(
    found: Neighbourhoods, labels: np.ndarray, bins: int = 20
) -> np.ndarray:
    """Computes the consistency in bins of samples, sorted by entropy.

    Args:
        found: The neighbourhoods of N samples.
        labels: int64 [N], −1 where a sample has none.
        bins: The number of equal bins; at most N are used.

    Returns:
        float64 [bins], lowest entropy first; NaN for a bin without labels.
    """
    shares = consistency(found.neighbours, labels)
    order = np.argsort(found.entropy, kind="stable")
    parts = np.array_split(shares[order], min(bins, len(order)))
    known = [part[np.isfinite(part)] for part in parts]
    return np.array(
        [part.mean(dtype=np.float64) if len(part) else np.nan for part in known]
    )
