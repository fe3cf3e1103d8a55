"""Starts a run from the end of another run's instance learning.

The runs of an ablation of rounds share their instance learning. A run that
starts from another's gives the same result as one that starts from scratch.
"""

from __future__ import annotations

import numpy as np

from and_tf import storage
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import rounds_of
from and_tf.training.run_directory import RunDirectory
from and_tf.training.teaching import BASELINE
from and_tf.utils.errors import InputError


def find(config: TrainConfig) -> Checkpoint:
    """Returns the last checkpoint of another run's instance learning.

    The other run is that in `config.start_from`.

    Returns:
        The checkpoint, adapted to a run of `config`.

    Raises:
        InputError: If there is no such run, its instance learning is not
            finished, or its flags do not allow it.
    """
    directory = RunDirectory(storage.place(config.start_from))
    before = directory.config()
    names = config.instance_differences(before)
    if names:
        has, now = (
            ", ".join(f"--{name}={_value(of, name)}" for name in names)
            for of in (before, config)
        )
        raise InputError(
            f"Expected the flags of the run in {directory.path} with "
            f"--start_from, except those of rounds: {has}. Received: {now}. "
            "Use those, or leave --start_from out."
        )
    if not config.first_round_epochs:
        raise InputError(
            "Expected --initial_epochs above 0 with --start_from, which "
            "reuses instance learning. Received: 0. Leave --start_from out."
        )
    checkpoint = directory.checkpoints.of_round(0, rounds_of(before))
    if config.has_bank:
        # Neighbours are unused until round 1, but this run may have another
        # number of them.
        shape = checkpoint.metadata["num_examples"], config.neighbourhood_size
        checkpoint.replace("method", "neighbours", np.zeros(shape, np.int32))
    if not config.is_taught:
        # A teacher in whose embeddings rounds search is that of this run.
        for name in ("teacher", "teacher_rows"):
            checkpoint.metadata.pop(name, None)
        checkpoint.metadata["baselines"].pop(BASELINE, None)
    return checkpoint


def _value(config: TrainConfig, name: str) -> object:
    """Returns the value of a flag, with -1 resolved."""
    resolved = {"initial_epochs": config.first_round_epochs}
    return resolved.get(name, getattr(config, name))
