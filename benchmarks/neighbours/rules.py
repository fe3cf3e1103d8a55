"""Find the neighbours and the anchors of an arm of the comparison."""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.method.discovery import consistency, lowest
from and_tf.search.nearest import Nearest, nearest


@dataclasses.dataclass(frozen=True)
class Arm:
    """Names what an arm's rounds do.

    Attributes:
        where: Where neighbours are searched: in the memory bank ("bank"), among
            the embeddings of clean images ("clean"), or among those of another
            run's encoder, such as a teacher's ("run").
        rule: How anchors are selected: "entropy" takes the lowest ones of
            equation 5, "similarity" those most similar to their neighbour.
        share: The share of the samples that are anchors; 0 lets it grow to
            all over the rounds, as in equation 6.
        pull: "halves" gives the own row and the neighbours half of the pull
            each, "weighed" what equation 10 gives them. "spared" neighbours are
            neither pulled nor pushed away.
        size: k, the number of neighbours.
        labels: "nearest" makes an anchor's neighbours the nearest of its class,
            "any" makes them random members of it. Both use labels: they are
            bounds, and no method. "" uses none.
    """

    where: str = "clean"
    rule: str = "similarity"
    share: float = 0.5
    pull: str = "halves"
    size: int = 1
    labels: str = ""


# Of rounds that do nothing, instance learning is left.
ARMS: dict[str, Arm | None] = {
    "none": None,
    "paper": Arm(where="bank", rule="entropy", share=0, pull="weighed"),
    "similar_half": Arm(),
    "similar_quarter_20": Arm(share=0.25, size=20),
    "all_20": Arm(share=1, size=20),
    "all_20_spared": Arm(share=1, size=20, pull="spared"),
    "run_paper": Arm(where="run", rule="entropy", share=0, pull="weighed"),
    "run_all": Arm(where="run", share=1),
    "run_all_20": Arm(where="run", share=1, size=20),
    "labels_all": Arm(share=1, labels="nearest"),
    "labels_all_20": Arm(share=1, size=20, labels="nearest"),
    "labels_any_20": Arm(share=1, size=20, labels="any"),
}


@dataclasses.dataclass(frozen=True)
class Discovery:
    """Holds the neighbours of all N samples, and which are anchors.

    Attributes:
        neighbours: int32 [N, k].
        is_anchor: bool [N].
        right, right_of_all: The shares of anchors' and of all samples'
            neighbours that have their label, 0 to 1; None without labels.
    """

    neighbours: np.ndarray
    is_anchor: np.ndarray
    right: float | None = None
    right_of_all: float | None = None


def discover(
    rows: np.ndarray,
    arm: Arm,
    grown: float,
    temperature: float,
    labels: np.ndarray | None,
    seed: int = 0,
) -> Discovery:
    """Find neighbours among rows, and select anchors.

    Args:
        rows: float32 [N, D], of unit norm.
        arm: What to do.
        grown: The share of the samples that are anchors where `arm.share` is
            0.
        temperature: τ of the entropies.
        labels: integer [N], −1 where a sample has none; None if none has.
        seed: Random seed of members of a class.
    """
    found = nearest(
        rows, rows, arm.size, temperature=temperature, exclude_self=True
    )
    count = int(len(rows) * (arm.share or grown))
    is_anchor = lowest(_uncertainty(found, arm), count)
    neighbours = found.index
    if arm.labels:
        assert labels is not None
        generator = np.random.default_rng(seed) if arm.labels == "any" else None
        neighbours = of_class(rows, labels, arm.size, generator)
    if labels is None:
        return Discovery(neighbours, is_anchor)
    agree = consistency(neighbours, labels)
    return Discovery(
        neighbours,
        is_anchor,
        float(np.nanmean(agree[is_anchor])),
        float(np.nanmean(agree)),
    )


def _uncertainty(found: Nearest, arm: Arm) -> np.ndarray:
    """Return float32 [N], low for what the arm's rule selects first."""
    if arm.rule == "entropy":
        assert found.entropy is not None
        return found.entropy
    return -found.similarity.mean(axis=1)


def of_class(
    rows: np.ndarray,
    labels: np.ndarray,
    size: int,
    generator: np.random.Generator | None = None,
) -> np.ndarray:
    """Find the nearest rows of the same label, or draw some of them.

    Args:
        rows: float32 [N, D], of unit norm.
        labels: integer [N]; each occurs more than `size` times.
        size: k.
        generator: Draws them; None takes the nearest.

    Returns:
        int32 [N, k], others than the row itself.
    """
    neighbours = np.empty((len(rows), size), np.int32)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = len(members)
        if generator is None:
            own = rows[members]
            places = nearest(own, own, size, exclude_self=True).index
        else:  # Steps around the ring of members, none of which comes back.
            keys = generator.random((count, count - 1), np.float32)
            steps = 1 + np.argpartition(keys, size - 1, axis=1)[:, :size]
            places = (np.arange(count)[:, None] + steps) % count
        neighbours[members] = members[places]
    return neighbours
