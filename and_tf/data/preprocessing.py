"""Prepares an image as the encoder sees it without augmentation.

The clean view of an image is its centre square at the encoder's size.
Evaluation and the exported graphs share one function for it, so that a served
model sees the same pixels as the evaluated one.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.data.split import Split, take
from and_tf.utils.pictures import picture


def centre_square(images: tf.Tensor, size: int) -> tf.Tensor:
    """Crops the centre square and resizes it, antialiased and bilinear.

    If the static shape says that the images are squares of `size` already, no
    resize enters the graph, since its kernel is not a TFLite built-in.

    Args:
        images: Pixel values 0..255 of any numeric dtype, `[B, H, W, C]` or
            `[H, W, C]`; any dimension but C may be unknown.
        size: Side of the squares returned, in pixels.

    Returns:
        uint8 `[B, size, size, C]` or `[size, size, C]`.
    """
    images = tf.convert_to_tensor(images)
    sides = images.shape[-3:-1]
    if sides.is_fully_defined():
        is_there = sides.as_list() == [size, size]
        return _to_uint8(images) if is_there else _resized(images, size)
    # The shape is only known when the graph runs. If it fits already, it is
    # kept: a resize to the same size would take half of the time that a small
    # encoder needs to serve a request.
    square = tf.cond(
        tf.reduce_all(tf.shape(images)[-3:-1] == size),
        lambda: _to_uint8(images),
        lambda: _resized(images, size),
    )
    shape = [*images.shape[:-3], size, size, images.shape[-1]]
    return tf.ensure_shape(square, shape)


def _resized(images: tf.Tensor, size: int) -> tf.Tensor:
    # uint8 is kept for the crop, as float32 would take four times the memory.
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
    """Crops the largest centre square."""
    height, width = tf.unstack(tf.shape(images)[-3:-1])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[..., top : top + side, left : left + side, :]


CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
SVHN = ((0.4377, 0.4438, 0.4728), (0.1201, 0.1231, 0.1052))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# For CIFAR-100, AND's authors use the values of CIFAR-10. We do the same, to
# be comparable with their figures.
KNOWN = {"cifar10": CIFAR, "cifar100": CIFAR, "svhn_cropped": SVHN}


# ImageNet's in grey; and what suits levels between two percentiles.
GREY = (0.449, 0.226)
BANDS = (0.5, 0.25)


def normalisation(
    dataset: str, channels: int = 3
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the mean and standard deviation to normalise pixels with.

    For RGB they are the values of the paper's recipe for the data sets in
    `KNOWN`, and those of ImageNet for all others. The batch norm behind the
    first convolution makes up for what a channel differs.

    Args:
        dataset: The name of a data set.
        channels: The number of channels, C.

    Returns:
        The mean and the standard deviation of each channel, for pixel values
        of 0..1.
    """
    if channels == 3:
        return KNOWN.get(dataset, IMAGENET)
    mean, deviation = GREY if channels == 1 else BANDS
    return (mean,) * channels, (deviation,) * channels


def pictures(split: Split, numbers: np.ndarray, side: int = 64) -> np.ndarray:
    """Returns pictures of some samples, uint8 [m, H, W, 3], see `picture`.

    From a streamed split, their clean views are returned. They are read in
    one pass over the disk, which decodes no other images.

    Args:
        split: Any split.
        numbers: integer [m], the sample numbers.
        side: The side of the images from a streamed split, in pixels.
    """
    if split.held:
        return picture(split.images[numbers])
    chosen, places = np.unique(numbers, return_inverse=True)
    images = [
        centre_square(image, side).numpy()
        for image, _ in take(split, chosen).stream(None)
    ]
    return picture(np.stack(images)[places])
