"""Blends each image with a poorer version of itself.

Brightness blends with black, contrast with the image's mean grey, colour with
each pixel's own grey, and sharpness with the smoothed image. The factor is the
weight of the image itself. One kernel handles the first three for a batch in
which every image has its own operation. Smoothing takes longer than these
together, so `sharpen` is a separate function.
"""

from __future__ import annotations

import tensorflow as tf

OPERATIONS = ("brightness", "contrast", "colour")
_BRIGHTNESS, _CONTRAST, _COLOUR = range(3)

_LUMA = (19595.0, 38470.0, 7471.0)  # ITU-R 601, in 65536ths


def blend(
    images: tf.Tensor, operation: tf.Tensor, factor: tf.Tensor
) -> tf.Tensor:
    """Changes brightness, contrast or colour of each image.

    The result equals that of Pillow's `ImageEnhance` to within one level, and
    for grey images that of its grey ones.

    Args:
        images: uint8 `[B, H, W, C]`. If C is not 3, the contrast of each
            channel is about its own mean, and colour changes nothing.
        operation: int32 `[B]`, an index into `OPERATIONS`.
        factor: float32 `[B]`, the weight of the image; 1 changes nothing.

    Returns:
        uint8 `[B, H, W, C]`.
    """
    shape = tf.shape(images)
    if images.shape[-1] != 3:
        pixels = tf.reshape(images, [shape[0], -1, images.shape[-1]])
        pixels = tf.cast(pixels, tf.float32)
        return tf.reshape(_blend_bands(pixels, operation, factor), shape)
    pixels = tf.cast(tf.reshape(images, [shape[0], -1, 3]), tf.float32)
    luma = tf.tile([_LUMA], [3, 1])  # Gives three channels of the same grey.
    # This is exact, because products stay below 2^24.
    grey = tf.matmul(pixels, luma, transpose_b=True) + 32768.0
    grey = tf.floor(grey / 65536.0)  # [B, P, 3]
    mean = tf.floor(tf.reduce_mean(grey, axis=(1, 2)) + 0.5)  # [B]
    mean = tf.where(operation == _CONTRAST, mean, 0.0)
    own = tf.where(operation == _COLOUR, 1.0, 0.0)
    poorer = own[:, tf.newaxis, tf.newaxis] * grey
    poorer += mean[:, tf.newaxis, tf.newaxis]
    return tf.reshape(_mix(poorer, pixels, factor), shape)


def _blend_bands(
    pixels: tf.Tensor, operation: tf.Tensor, factor: tf.Tensor
) -> tf.Tensor:
    """Changes brightness or contrast of float32 `[B, P, C]`, to uint8."""
    operation = operation[:, tf.newaxis, tf.newaxis]
    means = tf.floor(tf.reduce_mean(pixels, axis=1, keepdims=True) + 0.5)
    poorer = tf.where(operation == _CONTRAST, means, 0.0)
    poorer = tf.where(operation == _COLOUR, pixels, poorer)
    return _mix(poorer, pixels, factor)


def sharpen(
    images: tf.Tensor, operation: tf.Tensor, factor: tf.Tensor
) -> tf.Tensor:
    """Changes the sharpness of each image.

    The result equals that of Pillow's `ImageEnhance.Sharpness` to within one
    level.

    Args:
        images: uint8 `[B, H, W, C]`.
        operation: Unused.
        factor: float32 `[B]`, the weight of the image; 1 changes nothing.

    Returns:
        uint8 `[B, H, W, C]`.
    """
    del operation
    pixels = tf.cast(images, tf.float32)
    shape = tf.shape(images)
    flat = [shape[0], -1, images.shape[-1]]
    smooth = tf.reshape(_smooth(pixels), flat)
    pixels = tf.reshape(pixels, flat)
    return tf.reshape(_mix(smooth, pixels, factor), shape)


def _mix(poorer: tf.Tensor, pixels: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Blends two float32 `[B, P, C]` to uint8; `factor` weighs `pixels`."""
    factor = factor[:, tf.newaxis, tf.newaxis]
    mixed = poorer + factor * (pixels - poorer)
    mixed = tf.raw_ops.ClipByValue(
        t=mixed, clip_value_min=0.0, clip_value_max=255.0
    )
    # The cast cuts the fraction off, as Pillow does.
    return tf.cast(mixed, tf.uint8)


def _smooth(images: tf.Tensor) -> tf.Tensor:
    """Smooths by weights 5 for a pixel, 1 for its neighbours; keeps the rim."""
    rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    boxes = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inside = images[:, 1:-1, 1:-1]
    smooth = tf.floor((boxes + 4.0 * inside) / 13.0 + 0.5)
    inner = tf.concat([images[:, 1:-1, :1], smooth, images[:, 1:-1, -1:]], 2)
    return tf.concat([images[:, :1], inner, images[:, -1:]], 1)
