"""What the parts of one training share."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from and_tf.augmentation import ViewConfig
from and_tf.data.pipeline import clean_batches
from and_tf.data.split import ImageData
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation.run_knn import RunKnn
from and_tf.method.encoder_model import Pretext
from and_tf.method.rounds import Rounds
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory

BATCH = 512  # Of passes that train nothing.


@dataclasses.dataclass(frozen=True)
class Training:
    """A run in progress.

    Attributes:
        config: What it was told.
        directory: Where it writes.
        images: What it learns from.
        model: What learns.
        knn: How it is evaluated.
        board: Its TensorBoard; None on a process that does not write.
        metadata: What its checkpoints carry beside arrays, see
            `run_state.first_metadata`.
        processes: Who trains.
        on_device: Whether the training images lie on its devices.
    """

    config: TrainConfig
    directory: RunDirectory
    images: ImageData
    model: Pretext
    knn: RunKnn
    board: TensorBoardWriter | None
    metadata: dict[str, Any]
    processes: ProcessGroup
    on_device: bool = False

    @property
    def image_size(self) -> int:
        """Side of the encoder's input."""
        return self.metadata["encoder"]["image_size"]

    @property
    def view_size(self) -> int:
        """Side of what the encoder is trained on."""
        return self.config.view_size or self.image_size

    def clean_views(self) -> tf.data.Dataset:
        """(images, numbers) of this process' training images, unaugmented.

        Every image is one of exactly one process.
        """
        train = self.images.train
        span = self.processes.span(train.size)
        return clean_batches(train, self.image_size, BATCH, *span)


def rounds_of(config: TrainConfig) -> Rounds:
    """When the run's rounds begin and end."""
    return Rounds(
        config.rounds, config.epochs_per_round, config.first_round_epochs
    )


def view_config(config: TrainConfig, image_size: int) -> ViewConfig:
    """How the run augments."""
    return ViewConfig(
        image_size=image_size,
        crop_area=(config.crop_area, 1.0),
        brightness=config.colour_jitter,
        contrast=config.colour_jitter,
        saturation=config.colour_jitter,
        hue=min(config.colour_jitter, 0.5),
        greyscale=config.greyscale,
        flip=config.flip,
    )
