"""A small residual network for training on a few CPU cores.

Its shape was chosen by time, for 32×32 images on two AVX2 cores under oneDNN,
with batches of 128:

- A 4×4 stem of stride 2 leaves no map at full resolution: there, batch norm
  and ReLU wait on memory, and convolutions of few channels fill no registers.
- Strided convolutions shrink the maps; max-pooling's gradient costs as much
  as a convolution's.
- A 3×3 convolution of 128 to 128 channels takes five times as long to train
  as one of 96 to 96, for 1.8 times the work: its kernel and gradient no
  longer fit a core's cache.

`benchmarks/SPEED.md` has its speed beside that of a ResNet18 of a quarter of
the width, less than a third of it; after equal short times of supervised
training on CIFAR-100's 20 superclasses it was right on twice as many held-out
images.
"""

from __future__ import annotations

import keras
from keras import layers

from and_tf.backbones.blocks import conv_norm, scaled

_STEM_FILTERS = 32
_STAGE_FILTERS = (64, 96)


def trunk(images: keras.KerasTensor, width: float) -> keras.KerasTensor:
    """Features of normalised images.

    Args:
        images: [B, S, S, 3].
        width: Factor of all channel counts.

    Returns:
        [B, 96 · width], the average of the output of layer "stage2".
    """
    x = conv_norm(images, scaled(_STEM_FILTERS, width), 4, 2, name="stem")
    for stage, filters in enumerate(_STAGE_FILTERS, start=1):
        x = _halve(x, scaled(filters, width), f"stage{stage}")
    return layers.GlobalAveragePooling2D(name="pool")(x)


def _halve(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """A residual block from [B, H, W, C] to [B, H / 2, W / 2, filters]."""
    y = conv_norm(x, filters, 3, 2, name=f"{name}_1")
    y = conv_norm(y, filters, 3, activation=False, name=f"{name}_2")
    x = conv_norm(x, filters, 1, 2, activation=False, name=f"{name}_shortcut")
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_add")([x, y]))
