"""Defines the base class of all models that train an encoder."""

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
    """A model around an encoder, to be fit on batches (images, sample_ids).

    `sample_ids` are the samples' positions 0 to N − 1 in the training set,
    integer [B]; each occurs once an epoch. A subclass defines the training
    step.

    Args:
        encoder: A built Keras model of any kind, from images to [B, D]. Its
            output is cast to float32 and normalised here, whatever its own
            last layer does.
        num_examples: N, the number of training samples.
        temperature: τ of the softmax that the subclass trains with.
        augmenter: A layer that turns the data set's images into the encoder's
            input, used in training steps only. Use it to augment on the
            device. None trains on the images as they are.

    Attributes:
        shapes: The `EncoderShapes` of the encoder.
        view_encoder: The model that encodes in training. It is `encoder`
            unless you assign one from `encoders.for_views`, which has the
            same layers for views of another size.
        bank: The memory bank. None if the method has no bank; then it has no
            neighbourhoods and no rounds either.
        uses_labels: Whether the training step uses the labels.
        compiles_views: Whether XLA compiles the augmenter.
        compiles_locally: Whether XLA compiles `differentiate`, the part of a
            step before the replicas exchange anything. XLA cannot compile an
            exchange, so Keras can compile whole steps only with one replica.
            It must be False if `differentiate` has an exchange itself: with
            synchronised batch norms or a sharded bank.
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
        """The variables of the method besides encoder, optimiser, metrics."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; see `KerasInterface`."""
        return {
            **super().get_config(),
            "num_examples": self.num_examples,
            "temperature": self.temperature,
        }

    def views(self, images: Any) -> tf.Tensor:
        """Augments the data set's images if there is an augmenter."""
        if self.augmenter is None:
            return images
        augment = functools.partial(self.augmenter, training=True)
        return (compiled(augment) if self.compiles_views else augment)(images)

    def differentiated(self, *arguments: Any) -> tuple:
        """Calls `differentiate`, compiled if `compiles_locally` is True."""
        if self.compiles_locally:
            return compiled(self.differentiate)(*arguments)
        return self.differentiate(*arguments)

    def differentiate(self, *arguments: Any) -> tuple:
        """Computes the part of a step before replicas exchange anything."""
        raise NotImplementedError

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Computes the unit-norm embeddings of images, float32 [B, D]."""
        encoder = self.view_encoder if training else self.encoder
        embeddings = encoder(images, training=training)
        # float32 under any precision policy: τ = 0.1 multiplies errors by ten.
        return tf.math.l2_normalize(tf.cast(embeddings, tf.float32), axis=1)


def compiled(function: Callable) -> Callable:
    """Returns the function compiled by XLA.

    Call this again for each replica that is traced: one compiled function for
    all replicas would hold the variables of the first.
    """
    return tf.function(
        function, autograph=False, jit_compile=True, reduce_retracing=True
    )


def _check(num_examples: int, temperature: float) -> None:
    """Raises an `InputError` for too few samples or a wrong temperature."""
    if not isinstance(num_examples, Integral) or num_examples < 2:
        raise InputError(
            f"Expected 2 or more training images. Received: {num_examples}."
        )
    if not 0 < temperature < math.inf:  # This refuses NaN, too.
        raise InputError(
            f"Expected a finite temperature above 0. Received: {temperature}."
        )
