"""Finds the neighbours of a run without epochs, which has no rounds.

They are kept as those of round 0: of the encoder as it began.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data.preprocessing import pictures
from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.neighbourhoods import agreement
from and_tf.method.discovery import Neighbourhoods, discover
from and_tf.training.experiment import Training

# More than a round needs, which learns from one: they are there to be seen.
NEIGHBOURS = 5


def find(training: Training) -> Neighbourhoods | None:
    """Finds the nearest neighbours of all training images.

    All processes have to call this together.

    Returns:
        The neighbours, where each image is an anchor; None for a single image.
    """
    neighbours = min(NEIGHBOURS, training.images.train.size - 1)
    if not neighbours:
        return None
    found = discover(
        _rows(training),
        round_number=1,
        rounds=1,
        neighbourhood_size=neighbours,
        temperature=training.config.temperature,
        selection="one_off",
        search_probes=training.config.search_probes,
        seed=training.config.seed,
        processes=training.processes,
    )
    return dataclasses.replace(found, round=0)


def _rows(training: Training) -> np.ndarray | tf.Tensor:
    """Returns the embeddings of the clean training images, [N, D]."""
    bank = training.model.bank
    if bank is not None and training.config.bank_initialiser == "encoder":
        return bank.rows.value  # They have been computed to fill it.
    return embed(training.model, training.images.train, training.image_size)


def describe(
    found: Neighbourhoods, labels: np.ndarray | None
) -> dict[str, Any]:
    """Returns the number of neighbours, and the share with the same label."""
    share = None
    if labels is not None:
        share = agreement(found, labels).consistency
    return {"k": found.neighbours.shape[1], "consistency": share}


def keep(training: Training, found: Neighbourhoods) -> None:
    """Writes neighbours to the run's directory and to TensorBoard."""
    assert training.board is not None  # As this is the process that writes.
    train = training.images.train
    training.directory.write_neighbourhoods(found)
    training.board.write_neighbourhoods(
        found,
        functools.partial(pictures, train),
        train.labels,
        0,
        train.class_names,
    )
