"""Maps the levels of each channel to other levels, by one operation per image.

Autocontrast, solarise and posterise are arithmetic that changes nothing for
suitable parameters. So one kernel handles a batch in which every image has its
own operation. Equalising needs a histogram and a table, which take several
times as long, so it is a separate function.
"""

from __future__ import annotations

import tensorflow as tf

OPERATIONS = ("autocontrast", "solarise", "posterise")
_AUTOCONTRAST, _SOLARISE, _POSTERISE = range(3)


def change(
    images: tf.Tensor, operation: tf.Tensor, amount: tf.Tensor
) -> tf.Tensor:
    """Applies autocontrast, solarise or posterise to each image.

    The result equals that of Pillow's `ImageOps`, except that autocontrast may
    differ by one level from rounding.

    Args:
        images: uint8 `[B, H, W, C]`.
        operation: int32 `[B]`, an index into `OPERATIONS`.
        amount: float32 `[B]`: for solarise the level from which levels are
            inverted, for posterise the number of bits to keep, whose fraction
            is cut off. Autocontrast ignores it.

    Returns:
        uint8 `[B, H, W, C]`.
    """
    shape = tf.shape(images)
    lowest, spread = _extent(images, operation == _AUTOCONTRAST)
    lowest, spread = (  # [B, 1, CW], as a row of pixels
        tf.tile(x, [1, 1, shape[2]]) for x in (lowest, spread)
    )
    threshold = tf.where(operation == _SOLARISE, amount, 256.0)
    bits = tf.where(operation == _POSTERISE, tf.floor(amount), 8.0)
    threshold, size = (
        x[:, tf.newaxis, tf.newaxis] for x in (threshold, 2.0 ** (8.0 - bits))
    )
    levels = tf.reshape(images, [shape[0], shape[1], -1])  # [B, H, CW]
    levels = tf.cast(levels, tf.float32) - lowest
    levels = tf.floor(255.0 * levels / spread)
    levels = tf.floor(levels / size) * size
    inverted = tf.cast(levels >= threshold, tf.float32)
    levels += inverted * (255.0 - 2.0 * levels)
    return tf.reshape(tf.cast(levels, tf.uint8), shape)


def equalise(images: tf.Tensor, *unused: tf.Tensor) -> tf.Tensor:
    """Gives each level the share of pixels below it, channel by channel.

    The result equals that of Pillow's `ImageOps.equalize`: a step is 1/255 of
    the number of pixels below the largest level, rounded down. If it is 0, the
    channel stays as it is.

    Args:
        images: uint8 `[B, H, W, C]`.
        *unused: The operation and the amount, which are ignored.

    Returns:
        uint8 `[B, H, W, C]`.
    """
    del unused
    # Level l of channel c of image b is entry 256·(C·b + c) + l.
    count = images.shape[-1]
    channels = tf.range(count * tf.shape(images)[0])
    channels = tf.reshape(channels, [-1, 1, 1, count])
    entries = 256 * channels + tf.cast(images, tf.int32)
    counts = _histograms(entries)  # [CB, 256]
    below = tf.cumsum(counts, axis=-1, exclusive=True)
    largest = tf.where(counts > 0.0, below, 0.0)
    step = tf.reduce_max(largest, axis=-1, keepdims=True)
    step = tf.floor(step / 255.0)
    share = below + tf.floor(step / 2.0)
    share = tf.minimum(tf.floor(share / tf.maximum(step, 1.0)), 255.0)
    table = tf.where(step > 0.0, share, tf.range(256.0))
    table = tf.reshape(tf.cast(table, tf.uint8), [-1])
    return tf.gather(table, entries)


def _extent(
    images: tf.Tensor, chosen: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each channel's smallest level and its spread.

    They are 0 and 255, which change nothing, if the image is not chosen or the
    channel has only one level.

    Returns:
        float32 `[B, 1, C]` each.
    """
    lowest, largest = (
        tf.cast(reduce(images, axis=(1, 2)), tf.float32)
        for reduce in (tf.reduce_min, tf.reduce_max)
    )
    changes = chosen[:, tf.newaxis] & (largest > lowest)
    spread = tf.where(changes, largest - lowest, 255.0)
    lowest = tf.where(changes, lowest, 0.0)
    return lowest[:, tf.newaxis], spread[:, tf.newaxis]


def _histograms(entries: tf.Tensor) -> tf.Tensor:
    """Counts how often each entry of `[B, H, W, C]` occurs.

    Returns:
        float32 `[CB, 256]`.
    """
    flat = tf.reshape(entries, [-1])
    # bincount has no deterministic kernel for a GPU.
    counts = tf.math.unsorted_segment_sum(
        tf.ones_like(flat), flat, entries.shape[-1] * 256 * tf.shape(entries)[0]
    )
    return tf.cast(tf.reshape(counts, [-1, 256]), tf.float32)
