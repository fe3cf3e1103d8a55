"""Cuts images: random resized crops, and cutout.

An axis-aligned crop with bilinear resizing is separable: first rows, then
columns, each by a small matrix of interpolation weights. Two batched matrix
products handle a whole batch, run under XLA and on any device, and need no
per-image loop. On 32x32 images they are faster than
`ImageProjectiveTransformV3` and nearly as fast as `crop_and_resize`; neither
of these antialiases.

Cutout replaces one square of an image by a colour (DeVries and Taylor,
https://arxiv.org/abs/1708.04552).
"""

from __future__ import annotations

import math

import tensorflow as tf


def random_boxes(
    areas: tf.Tensor,
    ratios: tf.Tensor,
    positions: tf.Tensor,
    image_size: tuple[tf.Tensor | int, tf.Tensor | int],
    area_range: tuple[float, float],
    ratio_range: tuple[float, float],
) -> tf.Tensor:
    """Draws one box per image, as torchvision's `RandomResizedCrop` does.

    Each image takes the first of T tries whose height and width fit the image,
    at a uniformly random position. If no try fits, it takes the largest
    central box whose ratio is in range.

    Args:
        areas: float `[B, T]`, uniforms in [0, 1) for the share of the area.
        ratios: float `[B, T]`, uniforms in [0, 1) for width / height, which
            is log-uniform.
        positions: float `[B, 2]`, uniforms in [0, 1) for the vertical and the
            horizontal position.
        image_size: Height and width of the images, in pixels.
        area_range: Smallest and largest share of the area.
        ratio_range: Smallest and largest width / height.

    Returns:
        int32 `[B, 4]`: top, left, height, width, in whole pixels.
    """
    image_size = tf.convert_to_tensor(image_size)  # [2]
    limit = tf.cast(image_size, tf.float32)
    low, high = area_range
    pixels = (low + areas * (high - low)) * tf.reduce_prod(limit)
    low, high = (math.log(ratio) for ratio in ratio_range)
    ratios = tf.exp(low + ratios * (high - low))
    tries = tf.stack([pixels / ratios, pixels * ratios], axis=-1)
    tries = tf.round(tf.sqrt(tries))  # [B, T, 2]: height, width
    fits = tf.reduce_all((tries >= 1.0) & (tries <= limit), axis=-1)
    first = tf.argmax(tf.cast(fits, tf.int32), axis=-1)
    size = tf.cast(tf.gather(tries, first, batch_dims=1), tf.int32)
    found = tf.reduce_any(fits, axis=-1, keepdims=True)  # [B, 1]
    size = tf.where(found, size, _central_size(limit, ratio_range))

    space = image_size - size
    drawn = tf.floor(positions * tf.cast(space + 1, tf.float32))
    offset = tf.where(found, tf.cast(drawn, tf.int32), space // 2)
    return tf.concat([offset, size], axis=-1)


def _central_size(
    limit: tf.Tensor, ratio_range: tuple[float, float]
) -> tf.Tensor:
    """Returns the largest height and width with a ratio in range, int32 [2]."""
    ratio = tf.clip_by_value(limit[1] / limit[0], *ratio_range)
    size = tf.stack([limit[1] / ratio, limit[0] * ratio])
    return tf.cast(tf.round(tf.minimum(size, limit)), tf.int32)


def resample(
    images: tf.Tensor, boxes: tf.Tensor, flip: tf.Tensor, size: int
) -> tf.Tensor:
    """Crops and resizes a batch, antialiased and bilinear.

    The result equals that of Pillow's `crop(box)` and
    `resize((size, size), BILINEAR)`, except that Pillow rounds to whole
    levels.

    Args:
        images: float32 `[B, H, W, C]`.
        boxes: int32 `[B, 4]`: top, left, height, width, in pixels.
        flip: bool `[B]`, True to mirror the image left to right.
        size: Side S of the result, in pixels.

    Returns:
        float32 `[B, C, S, S]`: planes of channels.
    """
    _, height, width, _ = tf.unstack(tf.shape(images))
    channels = images.shape[-1]
    boxes = tf.cast(boxes, tf.float32)
    centres = tf.range(size, dtype=tf.float32) + 0.5  # [S]
    mirrored = tf.where(flip[:, tf.newaxis], size - centres, centres)
    rows = _weights(boxes[:, 0], boxes[:, 2], centres, height)
    columns = _weights(boxes[:, 1], boxes[:, 3], mirrored, width)
    cells = tf.matmul(rows, tf.reshape(images, [-1, height, width * channels]))
    cells = tf.reshape(cells, [-1, size, width, channels])
    planes = tf.transpose(cells, [0, 3, 1, 2])  # [B, C, S, W]
    planes = tf.reshape(planes, [-1, channels * size, width])
    planes = tf.matmul(planes, columns, transpose_b=True)  # [B, CS, S]
    return tf.reshape(planes, [-1, channels, size, size])


def resample_one(
    image: tf.Tensor, box: tf.Tensor, flip: tf.Tensor, size: int
) -> tf.Tensor:
    """Crops and resizes one image of any size, as `resample` does a batch.

    This is several times faster on a photograph, where the weight matrices of
    `resample` would be nearly all zeros. But its kernel cannot handle a batch
    of different boxes, and does not run under XLA.

    Args:
        image: `[H, W, C]`, any dtype.
        box: int32 `[4]`: top, left, height, width, in pixels.
        flip: bool `[]`, True to mirror the image left to right.
        size: Side S of the result, in pixels.

    Returns:
        float32 `[C, S, S]`: planes of channels.
    """
    top, left, height, width = tf.unstack(box)
    image = image[top : top + height, left : left + width]
    image = tf.image.resize(image, [size, size], antialias=True)
    image = tf.where(flip, image[:, ::-1], image)
    return tf.transpose(tf.cast(image, tf.float32), [2, 0, 1])


def _weights(
    start: tf.Tensor, length: tf.Tensor, centres: tf.Tensor, extent: tf.Tensor
) -> tf.Tensor:
    """Computes interpolation weights from an image's axis to its crop's axis.

    Args:
        start: float `[B]`, the beginning of the box, in pixels.
        length: float `[B]`, the length of the box, in pixels.
        centres: float `[S]` or `[B, S]`, the centres of the crop's pixels.
        extent: integer `[]`, the length of the image's axis, in pixels.

    Returns:
        float32 `[B, S, extent]`; each row sums to one and is zero outside its
        box.
    """
    start, length = start[:, tf.newaxis], length[:, tf.newaxis]  # [B, 1]
    scale = length / tf.cast(tf.shape(centres)[-1], tf.float32)
    sources = (start + centres * scale)[:, :, tf.newaxis]  # [B, S, 1]
    # The range is of integers, because these are on the host; for a range of
    # floats, the host would have to read the end from a GPU.
    pixels = tf.cast(tf.range(extent), tf.float32) + 0.5
    # If the crop shrinks, the triangle widens to all pixels to be averaged.
    reach = tf.maximum(scale, 1.0)[:, :, tf.newaxis]
    weights = tf.nn.relu(1.0 - tf.abs(pixels - sources) / reach)
    inside = (pixels > start) & (pixels < start + length)  # [B, extent]
    weights *= tf.cast(inside, tf.float32)[:, tf.newaxis]
    return weights / tf.reduce_sum(weights, axis=-1, keepdims=True)


def cut_out(
    images: tf.Tensor,
    centre: tf.Tensor,
    side: tf.Tensor,
    colour: tuple[float, ...],
) -> tf.Tensor:
    """Fills a square of each image with a colour, clipped to the image.

    Args:
        images: float32 `[B, H, W, C]`.
        centre: int32 `[B, 2]`, row and column of the square's middle pixel;
            if the side is even, of the pixel after its middle.
        side: int32 `[B]`, the side of the square in pixels; 0 erases nothing.
        colour: The C values of the square's pixels.

    Returns:
        float32 `[B, H, W, C]`.
    """
    shape = tf.shape(images)
    first = centre - side[:, tf.newaxis] // 2  # [B, 2]
    rows = _between(shape[1], first[:, 0], side)[:, :, tf.newaxis]
    columns = _between(shape[2], first[:, 1], side)
    columns = tf.repeat(columns, len(colour), axis=1)
    columns = columns[:, tf.newaxis]  # [B, 1, CW]
    square = rows * columns
    colours = rows * (columns * tf.tile(colour, shape[2:3]))
    # tf.where would be several times slower, because the shapes differ.
    images = tf.reshape(images, [shape[0], shape[1], -1])  # [B, H, CW]
    return tf.reshape(images * (1.0 - square) + colours, shape)


def _between(extent: tf.Tensor, first: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Returns float32 `[B, extent]`, 1 at the square's pixels of an axis."""
    pixels, first = tf.range(extent), first[:, tf.newaxis]
    inside = (pixels >= first) & (pixels < first + side[:, tf.newaxis])
    return tf.cast(inside, tf.float32)
