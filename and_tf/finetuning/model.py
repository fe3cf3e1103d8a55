"""Defines the model that is fine-tuned, and compiles it with two rates."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from and_tf.encoders import heads
from and_tf.method.optimizers import FactoredAdamW
from and_tf.pretexts.supervised import Supervised


@keras.saving.register_keras_serializable(package="and_tf")
class FineTuner(Supervised):
    """A linear classifier on an encoder's features, trained with labels.

    Steps, weights of views and their sums over replicas are `Supervised`'s;
    the classifier is a dense layer on features that are not normalised, as
    networks for classification have it.

    Args:
        encoder: A trunk, from images [B, S, S, 3] to features [B, F].
        labels, num_classes, augmenter, seed: See `Supervised`.
        freeze_statistics: Whether the encoder runs in inference mode in
            training too, so that batch norms keep and use their statistics.
    """

    def __init__(
        self,
        encoder: keras.Model,
        labels: ArrayLike,
        num_classes: int | None = None,
        *,
        augmenter: keras.layers.Layer | None = None,
        freeze_statistics: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            encoder,
            labels,
            num_classes,
            augmenter=augmenter,
            seed=seed,
            name="FineTuner",
        )
        self.freeze_statistics = freeze_statistics

    def new_classifier(self) -> keras.layers.Layer:
        """Makes the dense layer, which begins with weights of 0."""
        layer = keras.layers.Dense(
            self.num_classes,
            kernel_initializer="zeros",
            dtype="float32",
            name="classifier",
        )
        layer.build((None, self.shapes.embedding_dim))
        return layer

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Computes the features of images, float32 [B, F]."""
        encoder = self.view_encoder if training else self.encoder
        learns = training and not self.freeze_statistics
        return tf.cast(encoder(images, training=learns), tf.float32)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Computes the logits of features, float32 [n, C], on the host."""
        kernel, bias = map(np.asarray, self.classifier.variables)
        return features @ kernel + bias

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; see `KerasInterface`."""
        config = super().get_config()
        del config["temperature"]  # A dense layer learns its own scale.
        return {**config, "freeze_statistics": self.freeze_statistics}


def compiled(
    model: FineTuner,
    *,
    learning_rate: float,
    head_learning_rate: float,
    weight_decay: float,
    steps: int,
) -> FineTuner:
    """Compiles a model for training with two rates, and returns it.

    Args:
        model: The model.
        learning_rate: The peak rate of the encoder, see `schedule`.
        head_learning_rate: The peak rate of the classifier.
        weight_decay: λ, see `keras.optimizers.AdamW`.
        steps: The number of steps after which the rates are 0.
    """
    of_head = {id(variable) for variable in model.classifier.variables}
    faster = head_learning_rate / learning_rate
    model.compile(
        # Encoders trained on normalised embeddings differ widely in the scale
        # of their features, and so do the gradients that a head sends into
        # them. Adam's steps do not depend on it, so one rate suits them all.
        FactoredAdamW(
            schedule(learning_rate, steps),
            weight_decay=weight_decay,
            rate_factors=[
                faster if id(variable) in of_head else 1.0
                for variable in model.trainable_variables
            ],
        )
    )
    model.optimizer.build(model.trainable_variables)
    return model


def schedule(
    learning_rate: float, steps: int
) -> keras.optimizers.schedules.CosineDecay:
    """Makes a rate that rises for a tenth of the steps, then falls to 0.

    A head that separates the images of training well has large weights, and
    so has its gradient for the encoder. At once at its peak, the rate would
    spoil the features that the head was trained on.

    Args:
        learning_rate: The peak rate.
        steps: The number of steps in all.
    """
    rising = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, steps - rising),
        warmup_target=learning_rate,
        warmup_steps=rising,
    )


def trunk_of(encoder: keras.Model) -> keras.Model:
    """Makes a model of an encoder's layers, from images to pooled features.

    Args:
        encoder: An encoder from `encoders.build`, whose weights it shares.
    """
    return keras.Model(encoder.input, heads.features_of(encoder), name="trunk")
