"""Builds the layers that the backbones share.

Batch normalisation trains by one fused operation. `conv_norm` is a convolution
followed by it. `plain` copies an encoder into Keras' own layers, for a program
that has Keras and not this package.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from and_tf.utils.errors import InputError


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


# torch's default, uniform in ±1/√fan_in: the authors' CIFAR encoders start
# from it. Before a batch norm, a kernel's scale sets no output, only how far
# a learning rate carries, so that the published rate belongs to this start.
INITIALISER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"},
}
# With fewer input channels, oneDNN's gradient of a strided 1×1 convolution
# writes past its buffer on AVX-512 (oneDNN issue 6035). With nine numbers from
# 16 to 51 it was seen not to, by glibc's own checks. To slice first and stride
# by 1 is safe with any number, and made steps of `small` slower in each of four
# pairs of turns.
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
    """Convolution, batch norm and, unless told otherwise, ReLU.

    Args:
        x: [B, H, W, C].
        filters: Channels out, F.
        kernel_size: Side of the kernel.
        strides: Step of the kernel.
        name: Of the last layer; the others append to it.
        zeros: Padding on each side, as torch counts it. Without it Keras'
            "same", which differs where strides > 1: it pads an even size on
            the right and bottom alone. A strided 1×1 kernel needs no
            padding, and gets none.
        activation: Whether the ReLU is there.

    Returns:
        [B, H', W', F]; H' is H / strides, rounded up, without `zeros`.
    """
    if kernel_size == 1 and strides > 1:
        zeros = None
        if x.shape[-1] < SAFE_CHANNELS:
            # The values are the same.
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
    # torch's defaults: its momentum of 0.1 is the new value's weight.
    x = BatchNorm(momentum=0.9, epsilon=1e-5, name=norm)(x)
    return layers.ReLU(name=name)(x) if activation else x


def scaled(filters: int, width: float) -> int:
    """`filters` by `width`, at least 8 and a multiple of 8."""
    return max(8, 8 * round(filters * width / 8))


def plain(encoder: keras.Model) -> keras.Model:
    """Copies an encoder into Keras' own layers alone.

    Saved as a `.keras` file, the copy opens wherever Keras is, without
    `and_tf`:

        and_tf.backbones.blocks(encoder).save("encoder.keras")
        keras.models.load_model("encoder.keras").predict(images)

    It gives the same embeddings. It is meant for inference: in training, the
    moving variances of Keras' batch norm differ a little, see `BatchNorm`.

    Args:
        encoder: Any that `build` made, or another functional or sequential
            model; models within it are copied too.

    Returns:
        A model with weights of its own.

    Raises:
        InputError: If it is a subclassed model, whose layers cannot be seen.
    """
    if not getattr(encoder, "inputs", None):
        raise InputError(
            "Expected a functional or sequential encoder, to copy it layer by "
            f"layer. Received: {type(encoder).__name__} {encoder.name!r}."
        )
    copy = keras.models.clone_model(
        encoder, clone_function=_plain_layer, recursive=True
    )
    copy.set_weights(encoder.get_weights())
    return copy


def _plain_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A new layer like the one given, of Keras' own class."""
    kind = type(layer)
    if isinstance(layer, BatchNorm):
        kind = keras.layers.BatchNormalization
    return kind.from_config(layer.get_config())
