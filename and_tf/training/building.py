"""Builds the model that trains an encoder, as its config says."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from and_tf.data.split import Split
from and_tf.method.encoder_model import Pretext
from and_tf.method.model import AND
from and_tf.pretexts.distillation import Distillation
from and_tf.pretexts.rotation import Rotation
from and_tf.pretexts.supervised import Supervised
from and_tf.pretexts.taught import TaughtAND
from and_tf.pretexts.teacher_loss import TeacherLoss
from and_tf.training.config import TrainConfig
from and_tf.utils.errors import InputError


def build(
    config: TrainConfig,
    train: Split,
    encoder: keras.Model,
    augmenter: keras.layers.Layer | None,
    targets: np.ndarray | None = None,
) -> Pretext:
    """Builds the model of `config.pretext`, which is not compiled yet.

    Args:
        config: The flags of the run.
        train: The training images; their labels are read only with
            --pretext=supervised.
        encoder: The encoder, with fresh weights.
        augmenter: The layer that augments on the device, or None; see
            `Pretext`.
        targets: float32 [N, D], the teacher's rows, of a run that is taught.
            None gives a model that embeds and does not train.

    Raises:
        InputError: If the config or the images do not suit the pretext.
    """
    shared: dict[str, Any] = {
        "temperature": config.temperature,
        "augmenter": augmenter,
        "seed": config.seed,
    }
    if config.pretext == "rotation":
        return Rotation(encoder, train.size, **shared)
    if config.pretext == "supervised":
        if train.labels is None:
            raise InputError(
                "Expected labels for --pretext=supervised. Received none in "
                f"{train.name}. Sort the images into sub-folders by class, or "
                "use a data set with labels."
            )
        classes = len(train.class_names or ())
        return Supervised(encoder, train.labels, classes, **shared)
    if config.pretext == "distillation":
        if targets is None:
            dim = encoder.output_shape[-1]
            targets = np.zeros((train.size, dim), np.float32)
        return Distillation(
            encoder, targets, **_of_loss(config), augmenter=augmenter
        )
    shared |= {
        "neighbourhood_size": config.neighbourhood_size,
        "memory_momentum": config.memory_momentum,
        "bank_initialiser": "uniform"
        if config.bank_initialiser == "uniform"
        else "unit",
        "shard_bank": config.shard_bank,
        "block_rows": config.loss_block_rows,
        "negatives": config.negatives,
    }
    if config.is_taught and targets is not None:
        teacher = TeacherLoss(targets, **_of_loss(config))
        weight = config.distillation_weight
        return TaughtAND(encoder, teacher, weight=weight, **shared)
    return AND(encoder, train.size, **shared)


def _of_loss(config: TrainConfig) -> dict[str, Any]:
    """Returns the arguments of `TeacherLoss` beside the rows."""
    return {
        "loss": config.distillation_loss,
        "keys": config.distillation_keys,
        "teacher_temperature": config.teacher_temperature,
        "temperature": config.temperature,
        "block_rows": config.loss_block_rows,
        "seed": config.seed,
    }
