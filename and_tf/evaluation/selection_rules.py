"""Selects samples whose nearest neighbour can be trusted, by several rules."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.evaluation.neighbourhoods import mean_or_none
from and_tf.method.discovery import consistency, lowest
from and_tf.search.nearest import Nearest

SHARES = {"quarter": 4, "half": 2}  # Each sample of so many is selected.


@dataclasses.dataclass(frozen=True)
class Right:
    """Holds the share of selected samples whose nearest neighbour is right.

    Attributes:
        selected: The share of all samples that the rule selects.
        right: Of the selected ones with known labels, the share whose nearest
            neighbour has their label; None if there are none.
    """

    selected: float
    right: float | None


def by_rules(found: Nearest) -> dict[str, np.ndarray]:
    """Selects samples by each rule that needs one search alone.

    Args:
        found: The neighbours of N samples among each other, with k of 1 or
            more, and their entropies.

    Returns:
        bool [N] for each rule:

        *   `all`: all samples.
        *   `entropy_quarter`, `entropy_half`: those of the lowest entropy, as
            equation 6 selects them.
        *   `similarity_quarter`, `similarity_half`: those that are most similar
            to their nearest neighbour.
        *   `mutual`: those that are the nearest neighbour of their own one.
    """
    assert found.entropy is not None
    nearest = found.index[:, 0]
    count = len(nearest)
    masks = {"all": np.ones(count, bool)}
    for name, each in SHARES.items():
        masks[f"entropy_{name}"] = lowest(found.entropy, count // each)
    for name, each in SHARES.items():
        farness = -found.similarity[:, 0]
        masks[f"similarity_{name}"] = lowest(farness, count // each)
    masks["mutual"] = nearest[nearest] == np.arange(count)
    return masks


def judge(
    nearest: np.ndarray, labels: np.ndarray, selected: np.ndarray
) -> Right:
    """Compares the nearest neighbours of the selected samples with labels.

    Args:
        nearest: integer [N], the nearest neighbour of each sample.
        labels: integer [N], −1 where a sample has none.
        selected: bool [N].
    """
    agree = consistency(nearest[:, np.newaxis], labels)[selected]
    right = mean_or_none(agree[np.isfinite(agree)])
    return Right(float(selected.mean()), right)
