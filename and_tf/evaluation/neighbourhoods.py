"""What can be said of one round's neighbourhoods, and of two in a row."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.method.discovery import Neighbourhoods, consistency


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How many anchors' neighbourhoods are of one class, as in Figure 6.

    Attributes:
        consistent: Anchors whose labelled neighbours all have their label.
        inconsistent: Other anchors; those without labels are in neither.
        consistency: Mean share of anchors' neighbours with their label; None
            where no anchor has labels.
        consistency_all: The same over all samples.
    """

    consistent: int
    inconsistent: int
    consistency: float | None
    consistency_all: float | None


def agreement(found: Neighbourhoods, labels: np.ndarray) -> Agreement:
    """Holds a round's neighbourhoods against labels.

    Args:
        found: Of N samples.
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
    """The mean of [n], None of nothing."""
    return float(values.mean(dtype=np.float64)) if len(values) else None


def anchors_kept(before: np.ndarray, now: np.ndarray) -> float | None:
    """The share of a round's anchors that the next round has again.

    Args:
        before: bool [N].
        now: bool [N].
    """
    return mean_or_none(now[before])


def neighbours_kept(before: np.ndarray, now: np.ndarray) -> float:
    """The share of each sample's neighbours that the next round has, mean.

    Args:
        before: integer [N, k], no number twice in a row.
        now: integer [N, k].
    """
    both = np.zeros(len(now), np.int64)
    for column in before.T:  # So that k² numbers a sample are never held.
        both += (now == column[:, None]).any(1)
    return float(both.mean() / before.shape[1])


def neighbours_pull(
    embeddings: np.ndarray,
    rows: np.ndarray,
    neighbours: np.ndarray,
    temperature: float,
) -> np.ndarray:
    """How much of each sample's pull its neighbours have, not its own row.

    The objective pulls an anchor towards the members of its neighbourhood by
    p̃_ij = p_ij / Σ_{l ∈ {i} ∪ N(i)} p_il (equation 10). Near 0, the objective
    is instance learning in all but name, however right the neighbours are.

    Args:
        embeddings: float32 [N, D], unit norm.
        rows: float32 [N, D], the memory bank.
        neighbours: integer [N, k].
        temperature: τ.

    Returns:
        float32 [N], Σ_{j ∈ N(i)} p̃_ij.
    """
    own = np.einsum("nd,nd->n", embeddings, rows) / temperature
    against = np.full_like(own, -np.inf)  # log Σ_j p_ij / p_ii
    for column in neighbours.T:  # So that [N, k, D] is never held.
        theirs = np.einsum("nd,nd->n", embeddings, rows[column]) / temperature
        against = np.logaddexp(against, theirs - own)
    return -np.expm1(-np.logaddexp(0, against))


def binned_consistency(
    found: Neighbourhoods, labels: np.ndarray, bins: int = 20
) -> np.ndarray:
    """Consistency of samples in order of entropy, in equal parts.

    Args:
        found: Of N samples.
        labels: int64 [N], −1 where a sample has none.
        bins: How many parts; no more than N are given.

    Returns:
        float64 [bins], lowest entropy first; NaN where a part has no labels.
    """
    shares = consistency(found.neighbours, labels)
    order = np.argsort(found.entropy, kind="stable")
    parts = np.array_split(shares[order], min(bins, len(order)))
    known = [part[np.isfinite(part)] for part in parts]
    return np.array(
        [part.mean(dtype=np.float64) if len(part) else np.nan for part in known]
    )
