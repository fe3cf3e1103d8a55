"""Builds ResNet 18, 50 and 101 [1] with the same layers as torchvision.

Strided convolutions pad both sides equally, as in torch, and a bottleneck has
its stride in the 3×3 convolution. The CIFAR stem is a 3×3 convolution without
pooling, so stage 1 works at the images' own resolution.

[1] He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
    https://arxiv.org/abs/1512.03385
"""

from __future__ import annotations

import keras
from keras import layers

from and_tf.encoders.blocks import conv_norm, pooled, scaled

DEPTHS = {
    "resnet18": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
_EXPANSION = 4  # Factor of a bottleneck's output channels.


def trunk(
    name: str,
    images: keras.KerasTensor,
    stem: str,
    width: float,
    features: int = 0,
) -> keras.KerasTensor:
    """Computes the features of normalised images.

    Args:
        name: A key of `DEPTHS`.
        images: symbolic [B, S, S, 3].
        stem: "cifar" or "imagenet".
        width: Factor of all channel counts.
        features: F, see `blocks.pooled`; 0 is the channels of "stage4".

    Returns:
        [B, F], the average of the output of layer "stage4" or "wide".
    """
    block = _basic if name == "resnet18" else _bottleneck
    x = _stem(images, stem, scaled(64, width))
    for stage, depth in enumerate(DEPTHS[name], start=1):
        filters = scaled(64 * 2 ** (stage - 1), width)
        for number in range(1, depth + 1):
            strides = 2 if stage > 1 and number == 1 else 1
            last = number == depth
            label = f"stage{stage}" + ("" if last else f"_block{number}")
            x = block(x, filters, strides, label)
    return pooled(x, features)


def _stem(x: keras.KerasTensor, stem: str, filters: int) -> keras.KerasTensor:
    if stem == "cifar":
        return conv_norm(x, filters, 3, name="stem")
    x = conv_norm(x, filters, 7, 2, zeros=3, name="stem")
    # Zeros work like torch's padding by −∞, because a ReLU's output is never
    # below 0.
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def _basic(
    x: keras.KerasTensor, filters: int, strides: int, name: str
) -> keras.KerasTensor:
    """Adds two 3×3 convolutions of the input to the input."""
    y = _conv(x, filters, 3, strides, name=f"{name}_1")
    y = _conv(y, filters, 3, activation=False, name=f"{name}_2")
    return _join(x, y, strides, name)


def _bottleneck(
    x: keras.KerasTensor, filters: int, strides: int, name: str
) -> keras.KerasTensor:
    """Adds 1×1, 3×3 and 1×1 convolutions of the input to the input."""
    y = _conv(x, filters, 1, name=f"{name}_1")
    y = _conv(y, filters, 3, strides, name=f"{name}_2")
    y = _conv(y, _EXPANSION * filters, 1, activation=False, name=f"{name}_3")
    return _join(x, y, strides, name)


def _conv(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    strides: int = 1,
    *,
    name: str,
    activation: bool = True,
) -> keras.KerasTensor:
    zeros = kernel_size // 2 if strides > 1 else None
    return conv_norm(
        x,
        filters,
        kernel_size,
        strides,
        name=name,
        zeros=zeros,
        activation=activation,
    )


def _join(
    x: keras.KerasTensor, y: keras.KerasTensor, strides: int, name: str
) -> keras.KerasTensor:
    """Computes ReLU(x + y), after a projection of x if the shapes differ."""
    filters = y.shape[-1]
    if strides > 1 or x.shape[-1] != filters:
        x = _conv(
            x, filters, 1, strides, activation=False, name=f"{name}_shortcut"
        )
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(name=name)(x)
