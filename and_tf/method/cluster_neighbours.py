"""Neighbourhoods from k-means clusters, after DeepCluster [1].

DeepCluster clusters all features between epochs and has the clusters told
apart: within one, all samples are alike. In AND's terms each sample is an
anchor, and any other of its cluster as good a neighbour as the next, so that
its k neighbours are drawn from them, anew in every round.

[1] https://arxiv.org/abs/1807.05520
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.distribution.process_group import ProcessGroup
from and_tf.search import kmeans
from and_tf.utils.errors import InputError

PER_CLUSTER = 128  # Images, as ImageNet has in DeepCluster's 10,000.
BATCH = 4096  # Rows that move the centres at a time, on a CPU.
PASSES = 20  # Over all rows, at most.


def usual(num_examples: int) -> int:
    """How many clusters N samples have where nobody says: N / 128."""
    return max(2, num_examples // PER_CLUSTER)


def check(clusters: int, num_examples: int) -> None:
    """Sees to it that N samples can have so many clusters; 0 is `usual`.

    Raises:
        InputError: If they cannot.
    """
    if clusters and not 2 <= clusters <= num_examples:
        raise InputError(
            f"Expected --clusters from 2 to {num_examples}, the training "
            f"images. Received: {clusters}."
        )


def neighbourhoods(
    rows: np.ndarray | tf.Tensor,
    nearest: np.ndarray,
    clusters: int,
    seed: tuple[int, int],
    processes: ProcessGroup | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Every sample's neighbours among its cluster, and who has enough.

    Args:
        rows: float32 [N, D], the memory bank.
        nearest: int32 [N, k], the neighbours of those whose cluster has no k
            others. They are no anchors: to draw fewer and repeat them would
            count one twice in equation 7.
        clusters: How many; 0 is `usual`.
        seed: Of the run, and the round.
        processes: The first process alone searches clusters, for another
            machine might find others.

    Returns:
        int32 [N, k], each once and none a sample's own number, and bool [N],
        the anchors.

    Raises:
        InputError: If there cannot be so many clusters.
    """
    check(clusters, len(nearest))
    assigned = np.zeros(len(nearest), np.int32)
    if processes is None or processes.chief:
        found = kmeans.fit_large(
            rows,
            clusters or usual(len(nearest)),
            seed=seed,
            batch=BATCH,
            passes=PASSES,
        )
        assigned = found.astype(np.int32)
    if processes is not None:
        assigned = processes.from_chief(assigned)
    return draw(assigned, nearest, seed)


def draw(
    assigned: np.ndarray, nearest: np.ndarray, seed: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Draws each sample's neighbours among those of its cluster.

    Args:
        assigned: integer [N], each sample's cluster.
        nearest, seed: See `neighbourhoods`.

    Returns:
        int32 [N, k] and bool [N], see `neighbourhoods`.
    """
    generator = np.random.default_rng(seed)
    neighbours, k = nearest.copy(), nearest.shape[1]
    is_anchor = np.zeros(len(nearest), bool)
    order = np.argsort(assigned, kind="stable")
    ends = np.cumsum(np.bincount(assigned))
    for members in np.split(order, ends[:-1]):
        if len(members) <= k:
            continue
        for place, sample in enumerate(members):
            # Places among the others: those from its own on are one further.
            drawn = generator.choice(len(members) - 1, k, replace=False)
            neighbours[sample] = members[drawn + (drawn >= place)]
        is_anchor[members] = True
    return neighbours, is_anchor
