"""Compares what a file computes with what the model computes that it is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.utils.errors import InputError

Outputs = dict[str, np.ndarray]  # float32 [B, …] by name.

_IMAGES = 8
_PATCHES = 4  # Per side of an image.


def images(size: int, channels: int = 3) -> np.ndarray:
    """Draws images that differ in colours, shapes and noise.

    Args:
        size: The side S, in pixels.
        channels: The number of channels, C.

    Returns:
        uint8 [8, S, S, C], always the same.
    """
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (_IMAGES, _PATCHES, _PATCHES, channels))
    side = -(-size // _PATCHES)
    large = patches.repeat(side, axis=1).repeat(side, axis=2)
    noise = rng.normal(0, 20, (_IMAGES, size, size, channels))
    mixed = large[:, :size, :size] + noise
    return np.clip(mixed, 0, 255).astype(np.uint8)


def outputs_of(model: keras.Model, pixels: np.ndarray, name: str) -> Outputs:
    """Computes a Keras model's outputs on the CPU, where float32 is exact.

    Args:
        model: A model from images [B, S, S, C] to one output or several by
            name.
        pixels: uint8 or float32 [B, S, S, C], as the model takes them.
        name: The name of the output of a model that has one only.
    """
    with tf.device("/CPU:0"):
        outputs = model(tf.constant(pixels), training=False)
    if not isinstance(outputs, Mapping):
        outputs = {name: outputs}
    return {key: np.asarray(value) for key, value in outputs.items()}


def check(
    model: keras.Model,
    run_file: Callable[[np.ndarray], Outputs],
    name: str,
    most: float,
    form: PixelFormat = RGB,
) -> float:
    """Refuses a file whose outputs differ from its model's.

    Args:
        model: The model, from images [B, S, S, C] of a fixed S.
        run_file: Runs the file on images [B, S, S, C], with any B.
        name: The name of the output of a model that has one only.
        most: The largest difference of a number that is allowed.
        form: The channels of the images, and what their values mean.

    Returns:
        The largest difference of a number, relative to the largest number of
        its output if that is above 1.

    Raises:
        InputError: If the difference is larger, or NaN.
    """
    pixels = form.values(images(model.input_shape[1], form.channels))
    largest = 0.0
    for count in (len(pixels), 1):  # The batch's size is free.
        expected = outputs_of(model, pixels[:count], name)
        found = run_file(pixels[:count])
        for key, wanted in expected.items():
            scale = max(1.0, float(np.abs(wanted).max()))
            difference = float(np.abs(found[key] - wanted).max()) / scale
            if not difference <= most:  # NaN is none either.
                raise InputError(
                    "Expected the file to compute what the run's encoder "
                    f"computes, to {most:g}. Received a file whose {key} "
                    f"differs by up to {difference:.2g}, so it was not kept. "
                    "Export a SavedModel with export.saved_model instead."
                )
            largest = max(largest, difference)
    return largest
