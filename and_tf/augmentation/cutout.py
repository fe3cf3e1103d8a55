"""Cutout: one square an image, replaced by a colour.

DeVries and Taylor, https://arxiv.org/abs/1708.04552.
"""

from __future__ import annotations

import tensorflow as tf


def erase(
    images: tf.Tensor,
    centre: tf.Tensor,
    side: tf.Tensor,
    colour: tuple[float, float, float],
) -> tf.Tensor:
    """Replaces a square of each image; what lies outside the image is lost.

    Args:
        images: float32 `[B, H, W, 3]`.
        centre: int32 `[B, 2]`: row and column of the square's middle pixel,
            or, where the side is even, of that after its middle.
        side: int32 `[B]`, in pixels; 0 erases nothing.
        colour: What the square is filled with.

    Returns:
        float32 `[B, H, W, 3]`.
    """
    shape = tf.shape(images)
    first = centre - side[:, tf.newaxis] // 2  # [B, 2]
    rows = _between(shape[1], first[:, 0], side)[:, :, tf.newaxis]
    columns = _between(shape[2], first[:, 1], side)
    columns = tf.repeat(columns, 3, axis=1)[:, tf.newaxis]  # [B, 1, 3W]
    square = rows * columns
    colours = rows * (columns * tf.tile(colour, shape[2:3]))
    # Not tf.where, which is several times slower where shapes differ.
    images = tf.reshape(images, [shape[0], shape[1], -1])  # [B, H, 3W]
    return tf.reshape(images * (1.0 - square) + colours, shape)


def _between(extent: tf.Tensor, first: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """float32 `[B, extent]`: 1 at the pixels of an axis within the square."""
    pixels, first = tf.range(extent), first[:, tf.newaxis]
    inside = (pixels >= first) & (pixels < first + side[:, tf.newaxis])
    return tf.cast(inside, tf.float32)
