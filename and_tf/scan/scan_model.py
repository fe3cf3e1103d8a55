"""Defines SCAN's classifier, a `keras.Model` of encoder, heads and loss."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from and_tf import encoders
from and_tf.distribution import collectives
from and_tf.distribution.keras_multi_worker import MultiWorkerModel
from and_tf.encoders import heads as encoder_heads
from and_tf.encoders.blocks import INITIALISER
from and_tf.scan.frozen_features import Moments
from and_tf.scan.losses import HeadLoss, scan_loss


@keras.saving.register_keras_serializable(package="and_tf")
class SCAN(MultiWorkerModel):
    """A model of clustering heads on an encoder.

    Fit it on a `tf.data` set of (images, neighbours): views of images and of
    one mined neighbour of each, both [B, V, V, 3]. If the encoder is frozen,
    both may also be rows of the trunk's features, [B, F].

    A frozen encoder runs in inference mode, so its batch norms use the
    statistics of its training. A fine-tuned encoder runs in training mode and
    normalises images and neighbours by their own statistics, as the authors'
    code does.

    `save` keeps everything that training needs; `keras.models.load_model`
    continues from it once this class has been imported.

    Args:
        encoder: A trained encoder from `encoders.build`.
        clusters: The number of clusters C.
        heads: The number H of linear classifiers that are trained side by
            side. The loss is the sum of their losses.
        entropy_weight: The weight λ of the entropy.
        features: The input of the heads: "backbone", the input of the
            encoder's projection, or "embedding", its output.
        freeze: Whether the encoder stays unchanged.
        view_size: The side V of the views in pixels; None means the side S of
            the encoder's input.
        standardise: Whether the heads see features after a layer that
            subtracts a mean and divides by a scale, see `set_moments`.

    Attributes:
        trunk: A model from images [B, S, S, 3] to the input of the heads,
            [B, F].
        view_trunk: A model of the same layers for views [B, V, V, 3].
    """

    def __init__(
        self,
        encoder: keras.Model,
        clusters: int,
        *,
        heads: int = 1,
        entropy_weight: float = 5.0,
        features: str = "backbone",
        freeze: bool = False,
        view_size: int | None = None,
        standardise: bool = False,
    ) -> None:
        super().__init__(name="SCAN")
        self.clusters, self.heads = clusters, heads
        self.entropy_weight = entropy_weight
        self.features, self.freeze = features, freeze
        self.encoder = encoder
        self.trunk = trunk_of(encoder, features)
        self.view_trunk = encoders.for_views(
            self.trunk, view_size or encoder.input_shape[1]
        )
        if features == "backbone":
            encoder_heads.freeze(encoder)
        if freeze:
            encoder.trainable = False
        self.head = keras.layers.Dense(
            heads * clusters,
            kernel_initializer=INITIALISER,
            dtype="float32",
            name="heads",
        )
        self.head.build((None, self.trunk.output_shape[-1]))
        self.standardise = standardiser(self.trunk) if standardise else None
        self._consistency = collectives.MeanOfAll(name="consistency_loss")
        self._entropy = collectives.MeanOfAll(name="entropy")
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The parts of the loss, without Keras' own loss metric."""
        return [self._consistency, self._entropy]

    @property
    def method_variables(self) -> list[keras.Variable]:
        """The variables that a checkpoint holds beside the encoder."""
        kept = self.standardise.variables if self.standardise else []
        return [*self.head.variables, *kept]

    def set_moments(self, moments: Moments) -> None:
        """Sets what features are standardised by: (features − mean) / scale."""
        assert self.standardise is not None  # As it was asked for.
        self.standardise.moving_mean.assign(moments.mean)
        self.standardise.moving_variance.assign(
            np.full_like(moments.mean, moments.scale**2)
        )

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps images or views to logits of all heads, float32 [B, H · C].

        Rows of the trunk's features, [B, F], are taken as what the heads see.
        """
        if images.shape.rank == 2:
            return self.logits(images)
        is_view = images.shape[1] == self.view_trunk.input_shape[1]
        trunk = self.view_trunk if is_view else self.trunk
        training = training and not self.freeze
        return self.logits(trunk(images, training=training))

    def logits(self, features: tf.Tensor) -> tf.Tensor:
        """Maps the trunk's features [B, F] to logits, float32 [B, H · C]."""
        if self.standardise is not None:
            features = self.standardise(features, training=False)
        return self.head(features)

    def by_head(self, logits: tf.Tensor) -> tf.Tensor:
        """Reshapes logits [B, H · C] to [B, H, C]."""
        return tf.reshape(logits, [-1, self.heads, self.clusters])

    def train_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Trains one step on (images, a neighbour of each)."""
        with tf.GradientTape() as tape:
            anchors, neighbours = (
                self.by_head(self(images, training=True)) for images in data
            )  # [b, H, C] each
            losses = self.losses_of(anchors, neighbours)
            scaled = self.optimizer.scale_loss(tf.reduce_sum(losses.share))

        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )

        if not self.freeze:
            collectives.sync_batch_stats(self.encoder.non_trainable_variables)
        self.observe(losses)
        return self.get_metrics_result()

    def losses_of(self, anchors: tf.Tensor, neighbours: tf.Tensor) -> HeadLoss:
        """Computes the losses of the heads from logits, [b, H, C] each."""
        return scan_loss(anchors, neighbours, self.entropy_weight)

    def observe(self, losses: HeadLoss) -> None:
        """Updates the metrics with the losses of a step."""
        consistency = collectives.gather(tf.reduce_mean(losses.consistency, 1))
        self._consistency.update_state(consistency)  # [B]
        self._entropy.update_state(tf.reduce_mean(losses.entropy))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments and the dtype policy."""
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "clusters": self.clusters,
            "heads": self.heads,
            "entropy_weight": self.entropy_weight,
            "features": self.features,
            "freeze": self.freeze,
            "view_size": self.view_trunk.input_shape[1],
            "standardise": self.standardise is not None,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict | None = None
    ) -> SCAN:
        """Makes a model from the result of `get_config`.

        Args:
            config: The serialised arguments.
            custom_objects: The user's own classes, by name.
        """
        # Keras finds the optimiser of a saved model only after this import.
        from and_tf.method import optimizers  # noqa: F401

        config = dict(config)
        encoder, policy = (
            keras.saving.deserialize_keras_object(
                config.pop(name), custom_objects=custom_objects
            )
            for name in ("encoder", "dtype")
        )
        model = cls._around(encoder, **config)
        model.dtype_policy = policy
        return model

    @classmethod
    def _around(cls, encoder: keras.Model, **options: Any) -> SCAN:
        """Makes a model from the other entries of its config."""
        return cls(encoder, **options)

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context for evaluation, which changes nothing here."""
        return contextlib.nullcontext()

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """Returns means over the epoch so far and over the heads."""
        parts = {metric.name: metric.result() for metric in self.metrics}
        weighted = self.entropy_weight * parts["entropy"]
        return {"loss": parts["consistency_loss"] - weighted, **parts}


def standardiser(trunk: keras.Model) -> keras.layers.Layer:
    """Makes a layer that standardises a trunk's features by fixed moments.

    It is a batch norm that only has moments, which every format that a model
    is exported to knows.
    """
    layer = keras.layers.BatchNormalization(
        center=False,
        scale=False,
        epsilon=0.0,
        trainable=False,
        dtype="float32",
        name="standardise",
    )
    layer.build(trunk.output_shape)
    return layer


def trunk_of(encoder: keras.Model, features: str) -> keras.Model:
    """Makes a model of the encoder's layers up to the input of the heads.

    Args:
        encoder: An encoder from `encoders.build`.
        features: "backbone", the input of the encoder's head, or "embedding",
            its output.
    """
    output = encoder.output
    if features == "backbone":
        output = encoder_heads.features_of(encoder)
    return keras.Model(encoder.input, output, name="trunk")
