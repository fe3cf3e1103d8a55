"""What the parts of one training share."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from and_tf.callbacks.tensorboard import TensorBoardWriter
from and_tf.config import TrainConfig
from and_tf.data.pipeline import clean_batches
from and_tf.data.split import ImageData
from and_tf.evaluation.run_knn import RunKnn
from and_tf.model import AND
from and_tf.run_directory import RunDirectory

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
        board: Its TensorBoard.
        notes: What its checkpoints carry beside arrays, see
            `run.first_notes`.
    """

    config: TrainConfig
    directory: RunDirectory
    images: ImageData
    model: AND
    knn: RunKnn
    board: TensorBoardWriter
    notes: dict[str, Any]

    @property
    def image_size(self) -> int:
        """Side of the encoder's input."""
        return self.notes["encoder"]["image_size"]

    def clean_views(self) -> tf.data.Dataset:
        """(images, numbers) of every training image once, unaugmented."""
        return clean_batches(self.images.train, self.image_size, BATCH)
