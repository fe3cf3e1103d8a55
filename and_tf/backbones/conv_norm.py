"""What the backbones' convolutions have in common."""

from __future__ import annotations

import keras
from keras import layers

from and_tf.backbones.batch_norm import BatchNorm

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
