"""Applies colour jitter and greyscale, each image in its own random order.

Brightness, contrast, saturation and greyscale all blend a pixel with another
colour: black, the image's mean grey or the pixel's own grey. So each is a 3x3
matrix and an offset per image, and one kernel applies to each image whichever
of them comes next in its order. Only the hue is different, so a batch runs

    blend, blend, blend, hue, blend, blend, blend, greyscale

in which every image uses the three blends that put its hue where its own
random order wants it; the other three change nothing. That is as fast as
one order for the whole batch, and an image's view does not depend on the other
images of the batch.

The operations are torchvision's, on pixel values 0..255 in colour planes.
"""

from __future__ import annotations

import itertools

import tensorflow as tf

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)
ORDERS = tuple(itertools.permutations(range(4)))

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601


def jitter(
    planes: tf.Tensor, order: tf.Tensor, factors: tf.Tensor, hue: tf.Tensor
) -> tf.Tensor:
    """Changes brightness, contrast, saturation and hue of each image.

    Args:
        planes: float32 `[B, 3, P]`, values 0..255.
        order: int32 `[B]`, each image's order of the operations, an index
            into `ORDERS`.
        factors: float32 `[B, 3]` of brightness, contrast, saturation; 1
            changes nothing.
        hue: float32 `[B]`, the shift in turns of the colour wheel.

    Returns:
        float32 `[B, 3, P]`, values 0..255.
    """
    blends = tf.gather([_blends(order) for order in ORDERS], order)  # [B, 6]
    factors = tf.concat([factors, tf.ones_like(factors[:, :1])], axis=-1)
    factors = tf.gather(factors, blends, batch_dims=1)  # [B, 6]
    grey = tf.cast(blends == _SATURATION, tf.float32)
    mean = tf.cast(blends == _CONTRAST, tf.float32)
    for index in range(3):
        planes = _blend(
            planes, factors[:, index], grey[:, index], mean[:, index]
        )
    planes = shift_hue(planes, hue)
    for index in range(3, 6):
        planes = _blend(
            planes, factors[:, index], grey[:, index], mean[:, index]
        )
    return planes


def jitter_bands(
    planes: tf.Tensor, order: tf.Tensor, factors: tf.Tensor
) -> tf.Tensor:
    """Changes brightness and contrast of images of any channels.

    All channels of an image have the same two factors, so that the ratios
    between them, which tell plants from water, change as little as possible.
    Contrast blends each channel with its own mean: those of bands differ, and
    there is no grey that all of them share.

    Args:
        planes: float32 `[B, C, P]`, values 0..255.
        order: int32 `[B]`, an index into `ORDERS`, of which the places of
            brightness and contrast count.
        factors: float32 `[B, 2]` of brightness and contrast.

    Returns:
        float32 `[B, C, P]`, values 0..255.
    """
    later = [o.index(_BRIGHTNESS) > o.index(_CONTRAST) for o in ORDERS]
    swapped = tf.gather(later, order)  # [B]
    for step in (False, True):
        is_contrast = tf.equal(swapped, not step)
        factor = tf.where(is_contrast, factors[:, 1], factors[:, 0])
        factor = factor[:, tf.newaxis, tf.newaxis]
        means = tf.reduce_mean(planes, axis=-1, keepdims=True)  # [B, C, 1]
        share = tf.cast(is_contrast, tf.float32)[:, tf.newaxis, tf.newaxis]
        planes = factor * planes + (1.0 - factor) * share * means
        planes = _clip(planes, 255.0)
    return planes


def greyscale(planes: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Replaces each pixel of the `chosen` images, bool `[B]`, by its grey."""
    chosen = tf.cast(chosen, tf.float32)
    return tf.matmul(_matrices(1.0 - chosen, chosen), planes)


def shift_hue(planes: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Turns the hue in HSV, leaving value and saturation as they are.

    Args:
        planes: float32 `[B, 3, P]`.
        shift: float32 `[B]`, in turns of the colour wheel.

    Returns:
        float32 `[B, 3, P]`.
    """
    red, green, blue = tf.unstack(planes, axis=1)  # [B, P]
    largest = tf.maximum(tf.maximum(red, green), blue)
    smallest = tf.minimum(tf.minimum(red, green), blue)
    chroma = largest - smallest
    unit = 1.0 / tf.maximum(chroma, 1e-6)  # Grey gives 0 / 1e-6.
    hue = tf.where(
        largest == red,
        (green - blue) * unit,
        tf.where(
            largest == green,
            (blue - red) * unit + 2.0,
            (red - green) * unit + 4.0,
        ),
    )  # In sixths of a turn.
    hue += 6.0 * shift[:, tf.newaxis]
    hue -= 6.0 * tf.floor(hue / 6.0)
    shares = (
        tf.abs(hue - 3.0) - 1.0,
        2.0 - tf.abs(hue - 2.0),
        2.0 - tf.abs(hue - 4.0),
    )
    return tf.stack(
        [smallest + chroma * _clip(share, 1.0) for share in shares], axis=1
    )


def _blends(order: tuple[int, ...]) -> list[int]:
    """Lists the three blends before the hue and the three after it.

    `_HUE` stands for a blend that changes nothing.
    """
    place = order.index(_HUE)
    before, after = order[:place], order[place + 1 :]
    return [*before, *[_HUE] * 3, *after]


def _blend(
    planes: tf.Tensor, factor: tf.Tensor, grey: tf.Tensor, mean: tf.Tensor
) -> tf.Tensor:
    """Blends each pixel x with black, its own grey or the image's mean grey.

    The result is factor·x + (1 − factor)·(grey·own grey + mean·mean grey),
    clipped to 0..255.

    Args:
        planes: float32 `[B, 3, P]`.
        factor, grey, mean: float32 `[B]`; grey and mean are 0 or 1.
    """
    matrices = _matrices(factor, (1.0 - factor) * grey)
    means = tf.linalg.matvec(tf.reduce_mean(planes, axis=-1), _LUMA)  # [B]
    offsets = (1.0 - factor) * mean * means
    planes = tf.matmul(matrices, planes) + offsets[:, tf.newaxis, tf.newaxis]
    return _clip(planes, 255.0)


def _matrices(keep: tf.Tensor, grey: tf.Tensor) -> tf.Tensor:
    """Returns `[B, 3, 3]` that maps x to `keep`·x + `grey`·own grey of x."""
    keep, grey = (x[:, tf.newaxis, tf.newaxis] for x in (keep, grey))
    return keep * tf.eye(3) + grey * tf.constant([_LUMA])


def _clip(values: tf.Tensor, largest: float) -> tf.Tensor:
    # This is one kernel, while tf.clip_by_value runs two.
    return tf.raw_ops.ClipByValue(
        t=values, clip_value_min=0.0, clip_value_max=largest
    )
