"""Counts the arithmetic of a training step from the encoder's layers.

Counted are the products of convolutions and dense layers, a multiplication
and an addition as two operations, as is usual for the share of a peak rate.
Batch normalisation, activations, pooling, augmentation, the loss against the
memory bank and the optimiser are left out: together they are a small part of
the operations, though not of the time.
"""

from __future__ import annotations

import math

import keras
from keras import layers


def forward_flops(encoder: keras.Model) -> int:
    """Returns the operations that embedding one image takes.

    Args:
        encoder: A functional model from images `[B, S, S, 3]`.

    Raises:
        ValueError: If it has a layer with a kernel that is neither a plain
            convolution nor a dense layer.
    """
    return sum(_of_layer(layer) for layer in encoder.layers)


def training_flops(encoder: keras.Model) -> int:
    """Returns the operations that one image takes in a training step.

    The backward pass has two products for each one of the forward pass: the
    gradient of the weights and that of the input. The first layer needs no
    gradient of its input, for images are not trained.

    Args:
        encoder: As it is trained, so for images of the size of the views.

    Raises:
        ValueError: See `forward_flops`.
    """
    counts = [count for layer in encoder.layers if (count := _of_layer(layer))]
    return 3 * sum(counts) - counts[0]


def _of_layer(layer: keras.Layer) -> int:
    if type(layer) is layers.Conv2D:
        _, height, width, filters = layer.output.shape
        # A kernel is [k, k, input channels of a group, filters].
        products = math.prod(layer.kernel.shape[:3])
        return 2 * height * width * filters * products
    if type(layer) is layers.Dense:
        return 2 * math.prod(layer.kernel.shape)
    if getattr(layer, "kernel", None) is not None:
        raise ValueError(
            f"Expected plain convolutions and dense layers. Received: "
            f"{layer.name}, a {type(layer).__name__}, whose operations are not "
            "known here."
        )
    return 0
