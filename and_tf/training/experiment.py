"""Holds the objects that the parts of one training run share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.augmentation import ViewConfig
from and_tf.data.pipeline import clean_batches, pass_batch
from and_tf.data.split import ImageData
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation.run_knn import RunKnn
from and_tf.method.encoder_model import Pretext
from and_tf.method.rounds import Rounds
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.callbacks.tracking import Tracker
from and_tf.training.config import TrainConfig
from and_tf.training.flags.views import ViewFlags
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.progress import PATIENCE, Counted


@dataclasses.dataclass(frozen=True)
class Training:
    """A training run in progress.

    Attributes:
        config: The flags of the run.
        directory: The directory that the run writes to.
        images: The data set that the run learns from and is evaluated on.
        model: The model that is trained.
        knn: The kNN evaluation of the model.
        board: The TensorBoard writer; None on a process that does not write.
        metadata: The values that checkpoints hold beside arrays, see
            `restore.first_metadata`.
        processes: The processes that train together.
        on_device: Whether the devices hold the training images.
        searched: float32 [N, D], the rows in which rounds discover; None is
            the memory bank.
        tracker: Where the run's figures are sent; None sends none.
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
    searched: np.ndarray | None = None
    tracker: Tracker | None = None

    @property
    def image_size(self) -> int:
        """The side of the encoder's square input, in pixels."""
        return self.metadata["encoder"]["image_size"]

    @property
    def view_size(self) -> int:
        """The side of the views that the encoder is trained on, in pixels."""
        return self.config.view_size or self.image_size

    def clean_views(self) -> CleanViews:
        """Returns this process' training images, unaugmented."""
        return CleanViews(self)

    def shown(self, name: str, total: int) -> Counted:
        """Shows the progress of work that takes long with many images.

        Only the chief shows it.

        Args:
            name: The name of the work.
            total: The number of items.
        """
        quiet = PATIENCE if self.processes.chief else math.inf
        return Counted(name, total, quiet=quiet)


class CleanViews:
    """The training images of one process, unaugmented, in batches.

    Each image belongs to exactly one process. A pass that takes long shows its
    progress.

    Args:
        training: The training run.
    """

    def __init__(self, training: Training) -> None:
        self._training = training

    def __iter__(self) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Passes over all images once.

        Yields:
            Images uint8 [b, S, S, C], and sample numbers int64 [b].
        """
        training, train = self._training, self._training.images.train
        size = training.image_size
        start, stop = training.processes.span(train.size)
        batches = clean_batches(train, size, pass_batch(size), start, stop)
        with training.shown(f"embed {train.name}", stop - start) as progress:
            for images, sample_ids in batches:
                yield images, sample_ids
                progress.advance(len(sample_ids))


def rounds_of(config: TrainConfig) -> Rounds:
    """Returns the rounds of a run, which say when each begins and ends."""
    return Rounds(
        config.rounds, config.epochs_per_round, config.first_round_epochs
    )


def view_config(config: TrainConfig, image_size: int) -> ViewConfig:
    """Returns the augmentation of a run, for views of side `image_size`."""
    return views(config, image_size, config.greyscale)


def views(
    config: ViewFlags, image_size: int, greyscale: float = 0.0
) -> ViewConfig:
    """Returns the recipe of views that a config's flags describe.

    Args:
        config: The config.
        image_size: The side of a view in pixels.
        greyscale: The probability that a view has no colours.
    """
    return ViewConfig(
        image_size=image_size,
        crop_area=(config.crop_area, 1.0),
        brightness=config.colour_jitter,
        contrast=config.colour_jitter,
        saturation=config.colour_jitter,
        hue=min(config.colour_jitter, 0.5),
        greyscale=greyscale,
        flip=config.flip,
    )
