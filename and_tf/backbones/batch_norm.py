"""Batch normalisation that trains by one fused operation."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable(package="and_tf")
class BatchNorm(layers.BatchNormalization):
    """Keras' layer, in training by TensorFlow's fused operation.

    Keras composes it of a dozen operations, each a pass over the memory: a
    small network trains by them for a third of its time.

    As torch does, and the fused operation, the moving variance takes in the
    unbiased variance of a batch, n / (n − 1) of what it is divided by, where n
    counts all places of all its images; Keras takes the biased one. What has
    no places, [B, C], and what is synchronised over replicas, goes Keras' way.
    """

    def call(
        self,
        inputs: tf.Tensor,
        training: bool | None = None,
        mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """[B, H, W, C] to [B, H, W, C]."""
        if not training or len(inputs.shape) != 4 or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        unused = tf.zeros([0])  # Statistics, which training does not read.
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=unused,
            variance=unused,
            epsilon=self.epsilon,
            data_format="NHWC",
            is_training=True,
        )
        for moving, new in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + new * (1.0 - self.momentum))
        return outputs
