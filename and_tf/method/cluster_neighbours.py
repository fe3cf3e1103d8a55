"""Draws neighbourhoods from k-means clusters, after DeepCluster [1].

DeepCluster clusters all features between epochs and trains a classifier to
tell the clusters apart; it treats all samples of a cluster alike. In AND's
terms each sample is an anchor, and all other samples of its cluster are
equally good neighbours. So its k neighbours are drawn from these at random, in
every round anew.

[1] https://arxiv.org/abs/1807.05520
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.distribution.process_group import ProcessGroup
from and_tf.search import kmeans
from and_tf.utils.errors import InputError

PER_CLUSTER = 128  # Images per cluster, as DeepCluster has on ImageNet.
BATCH = 4096  # Rows per mini-batch of k-means on a CPU.
PASSES = 20  # The most passes over all rows.


def usual(num_examples: int) -> int:
    """Returns the default number of clusters of N samples: N / 128."""
    return max(2, num_examples // PER_CLUSTER)


def check(clusters: int, num_examples: int) -> None:
    """Checks the number of clusters; 0 stands for the default, see `usual`.

    Raises:
        InputError: If the number is not 0 and not from 2 to N.
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
    """Clusters the bank and draws each sample's neighbours from its cluster.

    Args:
        rows: float32 [N, D], the memory bank.
        nearest: int32 [N, k], the neighbours of a sample whose cluster has
            fewer than k other samples. Such a sample is no anchor: drawing
            fewer neighbours and repeating them would count one twice in
            equation 7.
        clusters: The number of clusters; 0 takes the default, see `usual`.
        seed: The random seed of the run and the number of the round.
        processes: The processes of the run. Only the first one clusters and
            sends the result to the others, because another machine might find
            other clusters. None if there is one process.

    Returns:
        int32 [N, k], distinct neighbours of each sample, never the sample
        itself; and bool [N], True for the anchors.

    Raises:
        InputError: If the number of clusters is not from 2 to N.
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
        int32 [N, k] neighbours and bool [N] anchors; see `neighbourhoods`.
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
            # `drawn` indexes the members without the sample itself, so that
            # positions from its own on have to be moved up by one.
            drawn = generator.choice(len(members) - 1, k, replace=False)
            neighbours[sample] = members[drawn + (drawn >= place)]
        is_anchor[members] = True
    return neighbours, is_anchor
