"""Builds a small residual network for training on a few CPU cores.

Its shape was chosen by measuring time on 32×32 images with batches of 128, on
two AVX2 cores with oneDNN:

- A 4×4 stem of stride 2 leaves no map at full resolution. At full resolution,
  batch norm and ReLU would wait for memory, and convolutions of few channels
  would not fill the registers.
- Strided convolutions shrink the maps, because the gradient of max-pooling
  costs as much as that of a convolution.
- A 3×3 convolution of 128 to 128 channels takes five times as long to train
  as one of 96 to 96, for 1.8 times the work, because its kernel and gradient
  no longer fit a core's cache.

A ResNet18 of a quarter of the width has less than a third of its speed; see
`benchmarks/SPEED.md`. After the same short time of supervised training on
CIFAR-100's 20 superclasses, this network classified twice as many held-out
images correctly.
"""

from __future__ import annotations

import keras
from keras import layers

from and_tf.encoders.blocks import conv_norm, pooled, scaled

_STEM_FILTERS = 32
_STAGE_FILTERS = (64, 96)


def trunk(
    images: keras.KerasTensor, width: float, features: int = 0
) -> keras.KerasTensor:
    """Computes the features of normalised images.

    Args:
        images: symbolic [B, S, S, 3].
        width: Factor of all channel counts.
        features: F, see `blocks.pooled`; 0 is 96 · width.

    Returns:
        [B, F], the average of the output of layer "stage2" or "wide".
    """
    x = conv_norm(images, scaled(_STEM_FILTERS, width), 4, 2, name="stem")
    for stage, filters in enumerate(_STAGE_FILTERS, start=1):
        x = _halve(x, scaled(filters, width), f"stage{stage}")
    return pooled(x, features)


def _halve(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Applies a residual block, [B, H, W, C] to [B, H / 2, W / 2, filters]."""
    y = conv_norm(x, filters, 3, 2, name=f"{name}_1")
    y = conv_norm(y, filters, 3, activation=False, name=f"{name}_2")
    x = conv_norm(x, filters, 1, 2, activation=False, name=f"{name}_shortcut")
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_add")([x, y]))
