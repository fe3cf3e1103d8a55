"""Prepares an image as the encoder sees it without augmentation.

The clean view of an image is its centre square at the encoder's size.
Evaluation and the exported graphs share this one function, so that what is
served sees the pixels that were measured.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.data.split import Split, take


def centre_square(images: tf.Tensor, size: int) -> tf.Tensor:
    """Crops the centre square and resizes it, antialiased and bilinear.

    Where the static shape says that the images are squares of `size` already,
    no resize enters the graph: its kernel is no TFLite built-in.

    Args:
        images: `[B, H, W, C]` or `[H, W, C]` pixel values 0..255 of any
            numeric dtype; any dimension but C may be unknown.
        size: Side of the squares returned, in pixels.

    Returns:
        uint8 `[B, size, size, C]` or `[size, size, C]`.
    """
    images = tf.convert_to_tensor(images)
    sides = images.shape[-3:-1]
    if sides.is_fully_defined():
        is_there = sides.as_list() == [size, size]
        return _to_uint8(images) if is_there else _resized(images, size)
    # Known only when it runs: half of the time that small encoders take to
    # serve would go into a resize to the same size.
    square = tf.cond(
        tf.reduce_all(tf.shape(images)[-3:-1] == size),
        lambda: _to_uint8(images),
        lambda: _resized(images, size),
    )
    shape = [*images.shape[:-3], size, size, images.shape[-1]]
    return tf.ensure_shape(square, shape)


def _resized(images: tf.Tensor, size: int) -> tf.Tensor:
    # Bytes stay bytes: as float32, large images would take four times as much.
    images = _crop(images)
    if images.dtype != tf.uint8:
        images = tf.cast(images, tf.float32)
    return _to_uint8(tf.image.resize(images, [size, size], antialias=True))


def _to_uint8(images: tf.Tensor) -> tf.Tensor:
    if images.dtype == tf.uint8:
        return images
    if images.dtype.is_floating:
        images = tf.round(images)
    return tf.saturate_cast(images, tf.uint8)


def _crop(images: tf.Tensor) -> tf.Tensor:
    """The centre square of the shorter side."""
    height, width = tf.unstack(tf.shape(images)[-3:-1])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[..., top : top + side, left : left + side, :]


CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
SVHN = ((0.4377, 0.4438, 0.4728), (0.1201, 0.1231, 0.1052))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# The code of AND's authors takes CIFAR-10's for CIFAR-100 too; so do we, since
# their figures were made with them.
KNOWN = {"cifar10": CIFAR, "cifar100": CIFAR, "svhn_cropped": SVHN}


def normalisation(
    dataset: str,
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation that a data set's encoders subtract and divide by.

    Published ones where the paper's recipe has some, ImageNet's elsewhere.
    """
    return KNOWN.get(dataset, IMAGENET)


def pictures(split: Split, numbers: np.ndarray, side: int = 64) -> np.ndarray:
    """The images of some samples, uint8 [m, H, W, 3].

    From a streamed split, the clean view at `side`; one pass over the disk
    that decodes no others.

    Args:
        split: Any split.
        numbers: integer [m].
        side: Of streamed images.
    """
    if split.held:
        return split.images[numbers]
    chosen, places = np.unique(numbers, return_inverse=True)
    images = [
        centre_square(image, side).numpy()
        for image, _ in take(split, chosen).stream(None)
    ]
    return np.stack(images)[places]
