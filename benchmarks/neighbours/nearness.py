"""Tell how near an arm's neighbours are where its rounds begin."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.neighbours.rules import Discovery


@dataclasses.dataclass(frozen=True)
class Nearness:
    """Holds mean cosines of anchors' embeddings with their neighbours'.

    Attributes:
        rows: With the neighbours' rows in the bank, which the loss reads.
        clean: With the neighbours' clean embeddings.
        right, wrong: The same of neighbours of the same label, and of others;
            None if there are none.
    """

    rows: float
    clean: float
    right: float | None = None
    wrong: float | None = None


def nearness(
    clean: np.ndarray,
    rows: np.ndarray,
    found: Discovery,
    labels: np.ndarray,
) -> Nearness:
    """Compute the cosines of a discovery.

    Args:
        clean: float32 [N, D], the clean embeddings, of unit norm.
        rows: float32 [N, D], the bank's rows.
        found: The neighbours and the anchors.
        labels: integer [N].
    """
    anchors = np.flatnonzero(found.is_anchor)
    neighbours = found.neighbours[anchors]
    own = clean[anchors]
    cosines = np.einsum("nd,nkd->nk", own, clean[neighbours])
    right = labels[neighbours] == labels[anchors, None]
    return Nearness(
        float(np.einsum("nd,nkd->nk", own, rows[neighbours]).mean()),
        float(cosines.mean()),
        float(cosines[right].mean()) if right.any() else None,
        float(cosines[~right].mean()) if not right.all() else None,
    )
