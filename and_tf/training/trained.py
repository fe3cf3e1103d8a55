"""A finished run, taken up again to be evaluated or deployed."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib

import keras
import numpy as np

from and_tf import backbones
from and_tf.data.split import ImageData
from and_tf.evaluation.embeddings import embed
from and_tf.method.encoder_model import Pretext
from and_tf.training import restore, trainer
from and_tf.training.checkpoint import Checkpoint, best_epochs
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import rounds_of
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import checkpoint_names
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class TrainedEncoder:
    """A run's encoder without its data, in float32, whatever it trained in.

    Attributes:
        directory: The run's.
        config: Its flags.
        checkpoint: What the weights come from.
        encoder: uint8 or float32 [B, S, S, 3], values 0..255, to float32
            [B, D] of unit norm.
    """

    directory: RunDirectory
    config: TrainConfig
    checkpoint: Checkpoint
    encoder: keras.Model

    @property
    def image_size(self) -> int:
        """S, the side of the images that the encoder sees, in pixels."""
        return self.checkpoint.notes["encoder"]["image_size"]

    @property
    def embedding_dim(self) -> int:
        """D."""
        return self.checkpoint.notes["encoder"]["embedding_dim"]

    def bank_rows(self) -> np.ndarray:
        """The memory bank, float32 [N, D]: row i is of training image i.

        Raises:
            InputError: If the run has none.
        """
        if not self.config.has_bank:
            raise InputError(
                "Expected a run with a memory bank, for --gallery=bank. "
                f"Received: {self.directory.path}, which was trained with "
                f"--pretext={self.config.pretext}. Use --gallery=clean."
            )
        # As `AND.method_variables` says.
        return self.checkpoint.arrays("method")[0]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run with its data and its restored model.

    The optimiser is not restored; nor is the bank, where the checkpoint was
    written without it.

    Attributes:
        directory: The run's.
        config: Its flags.
        checkpoint: What the weights come from.
        images: Its data.
        model: Restored.
        which: What the checkpoint was asked for as, see
            `checkpoint_name.round_of`.
    """

    directory: RunDirectory
    config: TrainConfig
    checkpoint: Checkpoint
    images: ImageData
    model: Pretext
    which: str = checkpoint_names.LAST

    @property
    def has_bank(self) -> bool:
        """Whether the checkpoint was written with a memory bank."""
        return self.config.has_bank and self.checkpoint.has("method")

    @property
    def image_size(self) -> int:
        """S, the side of the images that the encoder sees, in pixels."""
        return self.checkpoint.notes["encoder"]["image_size"]

    @functools.cached_property
    def train_embeddings(self) -> np.ndarray:
        """Of the training images' clean views, float32 [N, D]."""
        return embed(self.model, self.images.train, self.image_size)

    @functools.cached_property
    def query_embeddings(self) -> np.ndarray:
        """Of the test images, or else the training images, float32 [Q, D]."""
        if self.images.test is None:
            return self.train_embeddings
        return embed(self.model, self.images.test, self.image_size)


def load_encoder(
    path: str | os.PathLike[str], which: str = "last"
) -> TrainedEncoder:
    """Restores a run's encoder from a checkpoint; needs no data.

    Args:
        path: The run's directory.
        which: The checkpoint: "last", "best" or "round_<r>".

    Returns:
        The encoder, with the run's flags and the checkpoint it came from.

    Raises:
        InputError: If it is no run, or has no such checkpoint.

    Examples:
        >>> import numpy as np
        >>> import and_tf
        >>> trained = and_tf.load_encoder("runs/digits")
        >>> size = trained.image_size
        >>> images = np.zeros((2, size, size, 3), np.uint8)
        >>> embeddings = trained.encoder.predict(images, verbose=0)
        >>> embeddings.shape == (2, trained.embedding_dim)
        True
    """
    directory, config, checkpoint = _open(pathlib.Path(path), which)
    encoder = backbones.build(**checkpoint.notes["encoder"])
    checkpoint.restore("encoder", encoder.variables)
    return TrainedEncoder(directory, config, checkpoint, encoder)


def load(
    path: pathlib.Path, data_dir: str = "", which: str = "last"
) -> Trained:
    """Loads a run's data and restores its model from a checkpoint.

    Args:
        path: The run's directory.
        data_dir: Where its data lie now; empty where they lay in training.
        which: See `checkpoint_name.round_of`.

    Raises:
        InputError: If it is no run, or has no such checkpoint, or its data
            cannot be had.
    """
    directory, config, checkpoint = _open(path, which)
    images = load_images(config, data_dir)
    model = trainer.build_model(config, images, checkpoint.notes["encoder"])
    groups = [g for g in ("encoder", "method") if checkpoint.has(g)]
    restore.restore(model, checkpoint, images, groups)
    return Trained(directory, config, checkpoint, images, model, which)


def load_images(config: TrainConfig, data_dir: str = "") -> ImageData:
    """Loads a run's data set.

    Args:
        config: The run's flags.
        data_dir: Where its data lie now; empty where they lay in training.

    Raises:
        InputError: If the data cannot be had.
    """
    if data_dir:
        config = dataclasses.replace(config, data_dir=data_dir)
    return trainer.load_images(config)


def _open(
    path: pathlib.Path, which: str
) -> tuple[RunDirectory, TrainConfig, Checkpoint]:
    """A run's directory, flags and a checkpoint.

    Raises:
        InputError: If it is no run, or has no such checkpoint.
    """
    number = checkpoint_names.round_of(which)
    directory = RunDirectory(path)
    config = directory.config()
    checkpoint = directory.checkpoints.latest()
    if checkpoint is None:
        received = "none: the run has not finished an epoch"
        if directory.checkpoints.paths():
            received = "damaged ones alone: train the run anew"
        raise InputError(
            f"Expected a checkpoint in {directory.checkpoints.directory}. "
            f"Received {received}."
        )
    if which == checkpoint_names.BEST:
        epochs = best_epochs(checkpoint.notes["history"])
        if not epochs:
            raise InputError(
                "Expected a run that was evaluated in its memory bank, for "
                "--checkpoint=best, the epoch that was best there. Received: "
                f"{path}, without such a figure: it needs a bank, labels and "
                "a test split. Take the last checkpoint, or a round's."
            )
        checkpoint = directory.checkpoints.best(epochs)
    elif number is not None:
        plan = rounds_of(config)
        checkpoint = directory.checkpoints.of_round(number, plan)
    return directory, config, checkpoint
