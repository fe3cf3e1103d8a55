"""Builds the layers that the backbones share.

`BatchNorm` trains by one fused operation, and `conv_norm` is a convolution
followed by it.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable(package="and_tf")
class BatchNorm(layers.BatchNormalization):
    """Keras' batch norm, computed in training by TensorFlow's fused operation.

    Keras composes batch norm of a dozen operations, each a pass over memory,
    in which a small network spends a third of its training time.

    As in torch, the moving variance averages the unbiased variance of a batch,
    which is n / (n − 1) times the variance that the batch is normalised by; n
    is the number of positions in all images of the batch. Keras averages the
    biased variance. Inputs [B, C] without positions, layers that are
    synchronised over replicas, and frozen ones, which use and keep their moving
    statistics in training too, use Keras' implementation.
    """

    def call(
        self,
        inputs: tf.Tensor,
        training: bool | None = None,
        mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Normalises [B, H, W, C] or [B, C]; arguments are those of Keras."""
        fused = self.trainable and not self.synchronized
        if not training or not fused or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        unused = tf.zeros([0])  # Training reads no moving statistics.
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


# This is torch's default, uniform in ±1/√fan_in, from which the authors' CIFAR
# encoders start. The scale of a kernel before a batch norm does not change the
# output, but it changes the effect of the learning rate. So the published rate
# needs this initialisation.
INITIALISER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"},
}
# With fewer input channels, oneDNN's gradient of a strided 1×1 convolution
# writes past its buffer on AVX-512 (oneDNN issue 6035). With nine channel
# counts from 16 to 51, glibc's checks found no such write. Slicing first and
# striding by 1 is safe with any number of channels, but it made steps of
# `small` slower in each of four paired measurements.
SAFE_CHANNELS = 16


def conv_norm(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    strides: int = 1,
    *,
    name: str,
    zeros: int | None = None,
    activation: bool = True,
) -> keras.KerasTensor:
    """Applies a convolution, batch norm and, by default, ReLU.

    Args:
        x: symbolic [B, H, W, C].
        filters: F, the number of output channels.
        kernel_size: Side of the kernel, in pixels.
        strides: Stride of the kernel, in pixels.
        name: The name of the last layer; the other layers' names begin with
            it.
        zeros: Zero-padding on each side in pixels, as in torch. None takes
            Keras' "same" padding, which differs if strides > 1: it pads an
            even size only on the right and bottom. A strided 1×1 kernel
            needs no padding, and gets none.
        activation: Whether to apply a ReLU.

    Returns:
        [B, H', W', F]; without `zeros`, H' is H / strides, rounded up.
    """
    if kernel_size == 1 and strides > 1:
        zeros = None
        if x.shape[-1] < SAFE_CHANNELS:
            # This gives the same values; see `SAFE_CHANNELS`.
            x, strides = x[:, ::strides, ::strides], 1
    if zeros is not None:
        x = layers.ZeroPadding2D(zeros, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same" if zeros is None else "valid",
        use_bias=False,
        kernel_initializer=INITIALISER,
        name=f"{name}_conv",
    )(x)
    norm = f"{name}_norm" if activation else name
    # These are torch's defaults; its momentum of 0.1 is 0.9 in Keras.
    x = BatchNorm(momentum=0.9, epsilon=1e-5, name=norm)(x)
    return layers.ReLU(name=name)(x) if activation else x


def pooled(x: keras.KerasTensor, features: int = 0) -> keras.KerasTensor:
    """Averages a network's last map over its positions.

    Args:
        x: symbolic [B, H, W, C].
        features: F, the number of channels that a 1×1 convolution widens the
            map to before. 0 has no such layer, and F = C.

    Returns:
        [B, F], the output of the layer "pool".
    """
    if features:
        x = conv_norm(x, features, 1, name="wide")
    return layers.GlobalAveragePooling2D(name="pool")(x)


def scaled(filters: int, width: float) -> int:
    """Returns `filters` times `width`, at least 8 and a multiple of 8."""
    return max(8, 8 * round(filters * width / 8))
