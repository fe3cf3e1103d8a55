"""What everything that an encoder may be trained by has in common."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.method.encoder_shapes import encoder_shapes
from and_tf.method.keras_interface import KerasInterface
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    from and_tf.method.memory_bank import MemoryBank
    from and_tf.method.sharded_bank import ShardedMemoryBank


class Pretext(KerasInterface):
    """An encoder, and what trains it: fit on (images, sample_ids) of samples.

    `sample_ids` are the samples' places 0 to N − 1 in the training set, integer
    [B], each once an epoch. A subclass has the training step.

    Args:
        encoder: A built Keras model of any kind, from images to [B, D]. Its
            output is cast to float32 and normalised here, whatever its own
            last layer does.
        num_examples: N.
        temperature: τ, of the softmax that the subclass trains by.
        augmenter: A layer from what the data set gives as images to what the
            encoder takes, applied in the training step alone: the place for
            augmentation on the device.

    Attributes:
        shapes: The `EncoderShapes` of the encoder.
        view_encoder: What encodes in training, `encoder` itself until another
            is assigned, see `backbones.for_views`: the same layers for views
            of another size.
        bank: The memory bank; None where the method has none, and then it has
            no neighbourhoods and no rounds either.
        uses_labels: Whether the training step sees the labels.
        compiles_views: Whether XLA compiles the augmenter, and
        compiles_locally: all that a replica computes of a step before it
            hears of the others. Keras compiles whole steps with one replica
            alone: within what XLA compiles, replicas cannot merge, which
            gradients and statistics have to. So the latter must be False
            where they have to earlier: with synchronised batch norms or a
            sharded bank.
    """

    bank: MemoryBank | ShardedMemoryBank | None = None
    uses_labels = False
    compiles_views = False
    compiles_locally = False

    def __init__(
        self,
        encoder: keras.Model,
        num_examples: int,
        *,
        temperature: float = 0.1,
        augmenter: keras.layers.Layer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        _check(num_examples, temperature)
        self.shapes = encoder_shapes(encoder)
        self.num_examples = int(num_examples)
        self.encoder = encoder
        self.view_encoder = encoder
        self.augmenter = augmenter
        self.temperature = temperature
        self._loss = collectives.MeanOfAll(name="loss")
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss alone; Keras' own mean of it is never updated."""
        return [self._loss]

    @property
    def method_variables(self) -> list[keras.Variable]:
        """What training changes beside encoder, optimiser and metrics."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again; see `KerasInterface`."""
        return {
            **super().get_config(),
            "num_examples": self.num_examples,
            "temperature": self.temperature,
        }

    def views(self, images: Any) -> tf.Tensor:
        """What the encoder is trained on, of what the data set gives."""
        if self.augmenter is None:
            return images
        augment = functools.partial(self.augmenter, training=True)
        return (compiled(augment) if self.compiles_views else augment)(images)

    def differentiated(self, *arguments: Any) -> tuple:
        """What `differentiate` returns, compiled if it `compiles_locally`."""
        if self.compiles_locally:
            return compiled(self.differentiate)(*arguments)
        return self.differentiate(*arguments)

    def differentiate(self, *arguments: Any) -> tuple:
        """What a replica computes of a step before it hears of the others."""
        raise NotImplementedError

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Images to unit-norm embeddings, float32 [B, D]."""
        encoder = self.view_encoder if training else self.encoder
        embeddings = encoder(images, training=training)
        # Whatever the precision policy: τ = 0.1 multiplies errors by ten.
        return tf.math.l2_normalize(tf.cast(embeddings, tf.float32), axis=1)


def compiled(function: Callable) -> Callable:
    """The function, compiled by XLA.

    To be made anew for each replica that is traced: one for all of them would
    hold the variables of the first.
    """
    return tf.function(
        function, autograph=False, jit_compile=True, reduce_retracing=True
    )


def _check(num_examples: int, temperature: float) -> None:
    """Raises an `InputError` for what cannot be trained."""
    if not isinstance(num_examples, Integral) or num_examples < 2:
        raise InputError(
            f"Expected 2 or more training images. Received: {num_examples}."
        )
    if not 0 < temperature < math.inf:  # Nor NaN.
        raise InputError(
            f"Expected a finite temperature above 0. Received: {temperature}."
        )
