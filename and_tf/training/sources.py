"""Finds the encoder that a new run begins with, and its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from and_tf import encoders
from and_tf.data.preprocessing import normalisation
from and_tf.training.config import TrainConfig
from and_tf.utils import encoder_names
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Start:
    """An encoder to begin with.

    Attributes:
        name: The name under which `encoders.build` builds it.
        arguments: Further arguments of `encoders.build`, JSON values.
        image_size: The side of the images that it was trained on, in pixels;
            0 if it has random weights, or takes images of any size.
        pretrained: Where its weights come from and which labels they have
            seen, as JSON values; None for random weights.
        load: Assigns the weights to an encoder that was built from the
            description; None for random weights.
    """

    name: str
    arguments: dict[str, Any]
    image_size: int = 0
    pretrained: dict[str, Any] | None = None
    load: Callable[[keras.Model], None] | None = None

    def describe(self, config: TrainConfig, image_size: int) -> dict[str, Any]:
        """Returns the arguments with which `encoders.build` builds it.

        Args:
            config: The flags of the run.
            image_size: The side of the encoder's input, in pixels.
        """
        head = config.resolved.head
        if head == "whitened":  # It is a linear one with other weights.
            head = "linear"
        arguments = {
            "name": self.name,
            "image_size": image_size,
            "embedding_dim": config.embedding_dim,
            **self.arguments,
        }
        if head != "linear":
            arguments["head"] = head
        if head == "none":
            arguments["embedding_dim"] = encoders.num_features(**arguments)
        return arguments


def find(config: TrainConfig) -> Start:
    """Finds the encoder that `config` names.

    Raises:
        InputError: If there is no such encoder, or its weights are missing.
    """
    name = encoder_names.parse(config.encoder)
    if name.kind == "own":
        return _own(config)
    raise InputError(f"Expected an encoder. Received: {config.encoder!r}.")


def _own(config: TrainConfig) -> Start:
    mean, std = normalisation(config.dataset)
    return Start(
        config.encoder, {"width": config.width, "mean": mean, "std": std}
    )
