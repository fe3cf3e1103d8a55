"""Loads the trained run that a clustering starts from, and checks it.

The commonest way for SCAN to fail is an encoder whose weights are not the
trained ones: everything runs, and accuracy ends some twenty points lower. So
the loaded weights are compared with those of the file, and with an encoder
that has seen no image.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from typing import Any

import keras
import numpy as np

from and_tf.data.split import ImageData, Split
from and_tf.distribution.process_group import Team
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.training import trained
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Source:
    """A trained run.

    Attributes:
        config: Its flags.
        images: What it learnt from.
        encoder: As its checkpoint has it.
        notes: What `backbones.build` made the encoder of.
        identity: What result.json and checkpoints say of it, JSON.
    """

    config: TrainConfig
    images: ImageData
    encoder: keras.Model
    notes: dict[str, Any]
    identity: dict[str, Any]

    @property
    def image_size(self) -> int:
        """Side of the encoder's input."""
        return self.notes["image_size"]

    @property
    def view_size(self) -> int:
        """Side of what it was trained on."""
        return self.config.view_size or self.image_size

    @property
    def evaluation(self) -> Split:
        """The split that heads are chosen and clusters are matched on."""
        return self.images.test or self.images.train


def load_source(
    path: pathlib.Path,
    which: str,
    data_dir: str,
    memory_gib: float,
    team: Team | None = None,
) -> Source:
    """Loads a run's encoder and its images.

    Args:
        path: The run's directory.
        which: See `checkpoint_name.round_of`.
        data_dir: Where its data lie now; empty where they lay in training.
        memory_gib: Splits of up to so many GiB are held in memory.
        team: Whose replicas each have the encoder; None is one device.

    Raises:
        InputError: If it is no run, or its encoder is not trained, or its
            data cannot be had.
    """
    with (team or Team()).strategy.scope():
        run = trained.load_encoder(path, which)
    checkpoint, encoder = run.checkpoint, run.encoder
    check_trained(encoder, checkpoint, path)
    config = dataclasses.replace(run.config, memory_gib=memory_gib)
    images = trained.load_images(config, data_dir)
    identity = {
        "run_dir": str(path),
        "checkpoint": checkpoint.path.name,
        "pretext": config.pretext,
        "backbone": config.backbone,
        "rounds": config.rounds,
        "epochs": checkpoint.epochs,
        "encoder_sha256": fingerprint(encoder),
    }
    return Source(
        config, images, encoder, checkpoint.notes["encoder"], identity
    )


def check_trained(
    encoder: keras.Model, checkpoint: Checkpoint, path: pathlib.Path
) -> None:
    """Sees to it that an encoder is the trained one of a checkpoint.

    Args:
        encoder: What was loaded.
        checkpoint: From where.
        path: The run's directory.

    Raises:
        InputError: If no epoch was finished, a weight is not what the file
            has or no number, or batch norms have never seen an image.
    """
    wrong = ""
    if checkpoint.epochs < 1:
        wrong = "one that has not finished an epoch"
    elif not _same(encoder, checkpoint):
        wrong = "weights other than those in the file"
    elif not all(np.isfinite(v).all() for v in encoder.get_weights()):
        wrong = "weights that are no numbers"
    elif _has_seen_nothing(encoder):
        wrong = "the weights of an encoder that has seen no image"
    if wrong:
        raise InputError(
            f"Expected the trained encoder of a run in {path}. Received: "
            f"{wrong} ({checkpoint.path}). Neighbours of an untrained encoder "
            "are no clusters: train it with python -m and_tf.train first."
        )


def fingerprint(encoder: keras.Model) -> str:
    """What tells an encoder's weights from any others."""
    digest = hashlib.sha256()
    for array in encoder.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _same(encoder: keras.Model, checkpoint: Checkpoint) -> bool:
    """Whether all weights are those of the file, to the bit."""
    arrays = checkpoint.arrays("encoder")
    return len(arrays) == len(encoder.variables) and all(
        np.array_equal(np.asarray(variable), array, equal_nan=True)
        for variable, array in zip(encoder.variables, arrays, strict=True)
    )


def _has_seen_nothing(encoder: keras.Model) -> bool:
    """Whether any batch norm has the statistics that it was made with."""
    return any(
        not np.any(layer.moving_mean) and np.all(layer.moving_variance == 1)
        for layer in encoder.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )


def training_config(
    directory: ClusterDirectory, config: ClusterConfig
) -> TrainConfig:
    """The flags of the run, its images where the clustering had them.

    A run and the clustering in it may have been moved together; then the run
    is what the clustering lies in.

    Args:
        directory: The clustering's.
        config: Its flags.

    Raises:
        InputError: If the run is in neither place.
    """
    for path in (pathlib.Path(config.run_dir), directory.path.parent):
        run = RunDirectory(path)
        if run.flagfile.is_file():
            changes = {"memory_gib": config.memory_gib}
            if config.data_dir:
                changes["data_dir"] = config.data_dir
            return dataclasses.replace(run.config(), **changes)
    raise InputError(
        f"Expected the run that the clustering in {directory.path} is of, for "
        f"its images. Received: {config.run_dir}, which is not there. Put it "
        "back."
    )
