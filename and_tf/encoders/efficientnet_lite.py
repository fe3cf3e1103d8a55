"""Builds EfficientNet-Lite 0, 1 and 2 [1], EfficientNets [2] for small devices.

They have neither squeeze-and-excitation nor swish: their activation is ReLU6,
and their stem and head keep their width at all sizes. As they come with
weights for this, they normalise pixels in their own way, pad as TensorFlow does
and have batch norm with an epsilon of 0.001. There is no dropout.

The blocks lie in five stages of one resolution each, and the head belongs to
the last. `keras_arrays` renames the arrays of the published PyTorch models.

[1] https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
[2] Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural
    Networks, ICML 2019. https://arxiv.org/abs/1905.11946
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from and_tf.encoders.blocks import BatchNorm, scaled

FEATURES = 1280  # F, at a width of 1.


class Size(NamedTuple):
    """The coefficients of a network, and the side of images it is made for."""

    width: float
    depth: float
    image_size: int


SIZES = {
    "efficientnet_lite0": Size(1.0, 1.0, 224),
    "efficientnet_lite1": Size(1.0, 1.1, 240),
    "efficientnet_lite2": Size(1.1, 1.2, 260),
}
_STEM_FILTERS = 32
# Blocks, kernel size, strides, expansion, filters, all at coefficients of 1.
_GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# A kernel's outputs have the scale of its inputs, as in the original.
_INITIALISER = {
    "class_name": "VarianceScaling",
    "config": {
        "scale": 2.0,
        "mode": "fan_out",
        "distribution": "untruncated_normal",
    },
}
# The parts of a block, and PyTorch's names of a convolution and its norm.
_TORCH_PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
_TORCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# What a state dict has beside the trunk: the classifier, and counts of steps.
_TORCH_OTHERS = re.compile(r"_fc\.(weight|bias)|.*\.num_batches_tracked")


class _Block(NamedTuple):
    label: str  # The name of its last layer, and the beginning of the others'.
    kernel_size: int
    strides: int
    expansion: int
    filters: int
    adds: bool  # Whether its input is added to its output.


def trunk(
    name: str, images: keras.KerasTensor, width: float = 1.0
) -> keras.KerasTensor:
    """Computes the features of images.

    Args:
        name: A key of `SIZES`.
        images: symbolic [B, S, S, 3], pixel values 0..255.
        width: Factor of all channel counts; there are weights for 1 alone.

    Returns:
        [B, 1280 · width], the average of the output of layer "stage5".
    """
    x = layers.Rescaling(
        1 / 128, -127 / 128, dtype="float32", name="normalise"
    )(images)
    x = _conv(x, scaled(_STEM_FILTERS, width), 3, 2, "stem")
    x = _norm_relu(x, "stem")
    for block in _blocks(name, width):
        x = _inverted_bottleneck(x, block)
    x = _conv(x, scaled(FEATURES, width), 1, 1, "stage5")
    x = _norm_relu(x, "stage5")
    return layers.GlobalAveragePooling2D(name="pool")(x)


def keras_arrays(
    name: str, state: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Renames and transposes the arrays of a PyTorch state dict.

    Args:
        name: A key of `SIZES`.
        state: The arrays of the PyTorch package `efficientnet_lite_pytorch`.

    Returns:
        The arrays by the paths of Keras' variables, such as "stem_conv/kernel".
        The classifier is left out. An array whose name is not known keeps it,
        and one that is missing is missing.
    """
    found = {}
    rest = {k: v for k, v in state.items() if not _TORCH_OTHERS.fullmatch(k)}
    for path, torch_name in _torch_names(name):
        if torch_name in rest:
            array = rest.pop(torch_name)
            if array.ndim == 4:  # [O, I, k, k], or depthwise [C, 1, k, k].
                last = (0, 1) if "depthwise" in path else (1, 0)
                array = array.transpose(2, 3, *last)
            found[path] = array
    return found | rest


def _torch_names(name: str) -> Iterator[tuple[str, str]]:
    """Yields the path of each variable with PyTorch's name for it."""
    pairs = [("stem_conv", "_conv_stem"), ("stem_norm", "_bn0")]
    for number, block in enumerate(_blocks(name)):
        for part, torch in _TORCH_PARTS.items():
            if part != "expand" or block.expansion > 1:
                label = f"{block.label}_{part}"
                norm = _last_norm(block) if part == "project" else None
                pairs += [
                    (f"{label}_conv", f"_blocks.{number}.{torch[0]}"),
                    (norm or f"{label}_norm", f"_blocks.{number}.{torch[1]}"),
                ]
    pairs += [("stage5_conv", "_conv_head"), ("stage5_norm", "_bn1")]
    for layer, torch_layer in pairs:
        if layer.endswith("_conv"):
            yield f"{layer}/kernel", f"{torch_layer}.weight"
        else:
            for leaf, torch_leaf in _TORCH_NORM.items():
                yield f"{layer}/{leaf}", f"{torch_layer}.{torch_leaf}"


def _blocks(name: str, width: float = 1.0) -> list[_Block]:
    """Returns the blocks of a network in order."""
    size, blocks, stage = SIZES[name], [], 1
    before = scaled(_STEM_FILTERS, width)
    for group in _GROUPS:
        repeats, kernel_size, strides, expansion, filters = group
        if group not in (_GROUPS[0], _GROUPS[-1]):
            repeats = math.ceil(repeats * size.depth)
        filters = scaled(_rounded(filters * size.width), width)
        stage += strides == 2
        for _ in range(repeats):
            adds = strides == 1 and before == filters
            label = f"stage{stage}"
            blocks.append(
                _Block(label, kernel_size, strides, expansion, filters, adds)
            )
            strides, before = 1, filters
    return _labelled(blocks)


def _labelled(blocks: list[_Block]) -> list[_Block]:
    """Numbers the blocks of each stage but its last; the head ends stage 5."""
    stages = [block.label for block in blocks] + ["stage5"]
    numbers: Counter[str] = Counter()
    found = []
    for block, following in zip(blocks, stages[1:]):
        numbers[block.label] += 1
        label = f"{block.label}_block{numbers[block.label]}"
        ends = following != block.label
        found.append(block if ends else block._replace(label=label))
    return found


def _rounded(filters: float) -> int:
    """Rounds to a multiple of 8 that is not below nine tenths."""
    near = max(8, int(filters + 4) // 8 * 8)
    return near + 8 if near < 0.9 * filters else near


def _inverted_bottleneck(
    x: keras.KerasTensor, block: _Block
) -> keras.KerasTensor:
    """Expands, filters each channel, and projects to fewer channels."""
    label, y = block.label, x
    if block.expansion > 1:
        y = _conv(y, block.expansion * x.shape[-1], 1, 1, f"{label}_expand")
        y = _norm_relu(y, f"{label}_expand")
    y = layers.DepthwiseConv2D(
        block.kernel_size,
        block.strides,
        padding="same",
        use_bias=False,
        depthwise_initializer=_INITIALISER,
        name=f"{label}_depthwise_conv",
    )(y)
    y = _norm_relu(y, f"{label}_depthwise")
    y = _conv(y, block.filters, 1, 1, f"{label}_project")
    y = _norm(y, _last_norm(block))
    return layers.Add(name=label)([y, x]) if block.adds else y


def _last_norm(block: _Block) -> str:
    return f"{block.label}_project_norm" if block.adds else block.label


def _conv(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    strides: int,
    name: str,
) -> keras.KerasTensor:
    return layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer=_INITIALISER,
        name=f"{name}_conv",
    )(x)


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return BatchNorm(momentum=0.99, epsilon=1e-3, name=name)(x)


def _norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(6.0, name=name)(_norm(x, f"{name}_norm"))
