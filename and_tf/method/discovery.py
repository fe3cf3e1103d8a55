"""Discovers neighbourhoods and selects anchors: equations 1, 5 and 6."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from and_tf.distribution.process_group import ProcessGroup
from and_tf.method import cluster_neighbours as clustering
from and_tf.search import cells
from and_tf.search.nearest import nearest
from and_tf.utils.errors import InputError

SELECTIONS = ("curriculum", "one_off", "clusters", "none")


@dataclasses.dataclass(frozen=True)
class Neighbourhoods:
    """The neighbourhoods of all N samples that one round discovered.

    Attributes:
        round: r, the number of the round, from 1.
        entropy: float32 [N], H of equation 5.
        neighbours: int32 [N, k], most similar first, without the sample itself
            (equation 1). With selection="clusters", random members of the
            sample's cluster.
        is_anchor: bool [N], True for the round's anchors (equation 6).
        recall: The share of the nearest neighbours that were found, measured
            on some samples; None if the search was exact.
    """

    round: int
    entropy: np.ndarray
    neighbours: np.ndarray
    is_anchor: np.ndarray
    recall: float | None = None


def discover(
    rows: np.ndarray | tf.Tensor,
    *,
    round_number: int,
    rounds: int,
    neighbourhood_size: int = 1,
    temperature: float = 0.1,
    selection: str = "curriculum",
    clusters: int = 0,
    search_probes: int = 0,
    seed: int = 0,
    processes: ProcessGroup | None = None,
    progress: Callable[[int], None] | None = None,
) -> Neighbourhoods:
    """Finds every sample's neighbourhood and selects the round's anchors.

    Args:
        rows: float32 [N, D], the memory bank.
        round_number: r, 1 to `rounds`.
        rounds: R, the number of rounds.
        neighbourhood_size: k, the number of neighbours of each sample.
        temperature: τ of the softmax whose entropy is taken.
        selection: "curriculum" (equation 6), "one_off" (every sample is an
            anchor in every round), "clusters" (neighbours are members of the
            sample's k-means cluster) or "none".
        clusters: The number of clusters with selection "clusters"; 0 takes a
            number that suits N.
        search_probes: 0 searches exactly. Any other number searches for each
            sample in this many of about 4 √N cells, which is for banks of more
            than a few hundred thousand rows; see `cells.nearest_in_cells`.
        seed: Random seed of selection "clusters" and of cells, together with
            the round.
        processes: The processes whose devices share the search; see
            `nearest`.
        progress: Is called with numbers of samples whose sum is N in the end,
            as far as the search is done; not if processes or devices share
            it. See `nearest`.

    Returns:
        The neighbourhoods of all samples, anchors or not.

    Raises:
        InputError: If k, r or the selection is out of range.

    Examples:
        >>> import numpy as np
        >>> import and_tf
        >>> angles = np.array([0.0, 0.1, 1.5, 1.8])
        >>> rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        >>> found = and_tf.discover(rows, round_number=1, rounds=2)
        >>> found.neighbours[:, 0].tolist()
        [1, 0, 3, 2]
        >>> int(found.is_anchor.sum())  # N · r / R anchors.
        2
    """
    if not 1 <= round_number <= rounds:
        raise InputError(
            f"Expected a round from 1 to {rounds}. Received: {round_number}."
        )
    count = share_of_anchors(rows.shape[0], round_number, rounds, selection)
    recall = None
    if search_probes:
        draw = (seed, round_number)
        found = cells.nearest_in_cells(
            rows,
            neighbourhood_size,
            search_probes,
            temperature=temperature,
            seed=draw,
            processes=processes,
            progress=progress,
        )
        recall = cells.recall(rows, found.index, seed=draw, processes=processes)
    else:
        found = nearest(
            rows,
            rows,
            neighbourhood_size,
            temperature=temperature,
            exclude_self=True,
            processes=processes,
            progress=progress,
        )
    assert found.entropy is not None  # As there is a temperature.
    neighbours, is_anchor = found.index, lowest(found.entropy, count)
    if selection == "clusters":
        neighbours, is_anchor = clustering.neighbourhoods(
            rows,
            found.index,
            clusters,
            (seed, round_number),
            processes,
        )
    return Neighbourhoods(
        round_number, found.entropy, neighbours, is_anchor, recall
    )


def share_of_anchors(
    num_examples: int, round_number: int, rounds: int, selection: str
) -> int:
    """Returns how many samples become anchors: ⌊N · r / R⌋ of a curriculum.

    With selection="clusters" this is an upper bound.
    """
    if selection not in SELECTIONS:
        raise InputError(
            f"Expected a selection among {', '.join(SELECTIONS)}. "
            f"Received: {selection!r}."
        )
    if selection == "none":
        return 0
    if selection in ("one_off", "clusters"):
        return num_examples
    return num_examples * round_number // rounds


def lowest(entropy: np.ndarray | tf.Tensor, count: int) -> np.ndarray:
    """Marks the `count` smallest of [N] entropies; ties go to the lower index.

    Returns:
        bool [N].
    """
    marked = np.zeros(len(entropy), bool)
    # The entropies are on the host and the result goes there, so copying them
    # to a GPU would not pay.
    with tf.device("CPU:0"):
        lowest_first = tf.math.top_k(-tf.convert_to_tensor(entropy), count)
    marked[lowest_first.indices] = True
    return marked


def consistency(neighbours: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Computes the share of each sample's neighbours that have its label.

    Neighbours without a label are not counted.

    Args:
        neighbours: integer [N, k], the neighbours of every sample.
        labels: integer [N]; −1 where a sample has no label.

    Returns:
        float32 [N] in [0, 1]; NaN where the sample has no label, or no
        neighbour of it has one.
    """
    theirs = labels[neighbours]  # [N, k]
    labelled = (theirs >= 0) & (labels >= 0)[:, None]
    agree = ((theirs == labels[:, None]) & labelled).sum(1)
    with np.errstate(invalid="ignore"):
        return (agree / labelled.sum(1)).astype(np.float32)
