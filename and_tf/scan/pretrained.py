"""Loads the trained run that a clustering starts from, and checks it.

SCAN fails silently if the encoder does not have its trained weights:
everything runs, but the accuracy is about twenty points lower. The loaded
weights are therefore compared with the file, and the batch norms are checked
for the statistics of an untrained encoder.
"""

from __future__ import annotations

import pathlib
from typing import Any

import keras
import numpy as np

from and_tf import storage
from and_tf.distribution.process_group import ProcessGroup
from and_tf.encoders import heads, weights
from and_tf.scan.config import ClusterConfig
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.run import Run
from and_tf.utils.errors import InputError


def load(config: ClusterConfig, processes: ProcessGroup) -> Run:
    """Loads the encoder and the images of the run to cluster.

    Args:
        config: The config of the clustering.
        processes: The processes whose replicas each get the encoder.

    Raises:
        InputError: If there is no such run, its encoder is not trained, or
            its images cannot be loaded.
    """
    run = Run(
        storage.place(config.run_dir),
        config.checkpoint,
        config.data_dir,
        config.memory_gib,
    )
    with processes.strategy.scope():
        encoder = run.encoder
    check_trained(encoder, run.checkpoint, run.directory.path)
    _ = run.images  # Raises errors before anything is written.
    return run


def identity(run: Run) -> dict[str, Any]:
    """Describes a run for result.json and checkpoints, as JSON values."""
    return {
        "run_dir": str(run.directory.path),
        "checkpoint": run.checkpoint.path.name,
        "pretext": run.config.pretext,
        "backbone": run.config.encoder,
        "rounds": run.config.rounds,
        "epochs": run.checkpoint.epochs,
        "encoder_sha256": weights.digest(run.encoder),
    }


def check_trained(
    encoder: keras.Model, checkpoint: Checkpoint, path: pathlib.Path
) -> None:
    """Checks that an encoder has the trained weights of a checkpoint.

    Args:
        encoder: The loaded encoder.
        checkpoint: The checkpoint that it was loaded from.
        path: The directory of the run.

    Raises:
        InputError: If no epoch was finished, a weight differs from the file
            or is not finite, or a batch norm has its initial statistics.
    """
    wrong = ""
    begins = checkpoint.metadata.get("pretrained") is not None
    if checkpoint.epochs < 1 and not begins:
        wrong = "one that has not finished an epoch"
    elif not _same(encoder, checkpoint):
        wrong = "weights other than those in the file"
    elif not all(np.isfinite(v).all() for v in encoder.get_weights()):
        wrong = "weights that are NaN or infinite"
    elif _has_seen_nothing(encoder):
        wrong = "the weights of an encoder that has seen no image"
    if wrong:
        raise InputError(
            f"Expected the trained encoder of a run in {path}. Received: "
            f"{wrong} ({checkpoint.path}). Neighbours that an untrained "
            "encoder finds mean nothing: train it with python -m and_tf.train "
            "first."
        )


def _same(encoder: keras.Model, checkpoint: Checkpoint) -> bool:
    """Returns whether all weights equal those in the file exactly."""
    arrays = checkpoint.arrays("encoder")
    return len(arrays) == len(encoder.variables) and all(
        np.array_equal(np.asarray(variable), array, equal_nan=True)
        for variable, array in zip(encoder.variables, arrays, strict=True)
    )


def _has_seen_nothing(encoder: keras.Model) -> bool:
    """Returns whether any batch norm still has its initial statistics."""
    return any(
        not np.any(layer.moving_mean) and np.all(layer.moving_variance == 1)
        for layer in encoder.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and not heads.is_part(layer)
    )
