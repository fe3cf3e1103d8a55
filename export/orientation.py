"""The orientation that a camera noted in EXIF data, by graph operations.

TensorFlow's decoders leave an image as it is stored; cameras store most
portraits lying on their side, with a tag that says so.
"""

from __future__ import annotations

import tensorflow as tf

from export.file_parts import byte_values, number

_TAG = 0x0112
_SHORT, _LONG = 3, 4  # Types of a tag's value.


def of_exif(exif: tf.Tensor) -> tf.Tensor:
    """The orientation that EXIF data give, in their first directory.

    Args:
        exif: string `[]`, EXIF data from their byte order on.

    Returns:
        int32 `[]`, 1 to 8; 1, upright, where there is none or it is malformed.
    """
    size = tf.cast(tf.strings.length(exif), tf.int64)
    little = tf.strings.substr(exif, 0, 2) == b"II"
    # The zeros are read where an offset leads to the end.
    values = byte_values(tf.strings.join([exif, b"\0" * 8]))
    mark = number(values, 2, 2, little)
    offset = tf.minimum(number(values, 4, 4, little), size)
    count = number(values, offset, 2, little)
    count = tf.minimum(count, (size - offset - 2) // 12)
    count = tf.where(mark == 42, tf.maximum(count, 0), 0)
    entries = values[offset + 2 : offset + 2 + 12 * count]
    entries = tf.reshape(entries, [-1, 12])
    kind = number(entries, 2, 2, little)
    short = number(entries, 8, 2, little)
    value = tf.where(kind == _SHORT, short, number(entries, 8, 4, little))
    wanted = (
        (number(entries, 0, 2, little) == _TAG)
        & ((kind == _SHORT) | (kind == _LONG))
        & (number(entries, 4, 4, little) > 0)
        & (value >= 1)
        & (value <= 8)
    )
    # Of several the last holds, as Pillow has it.
    value = tf.concat([[1], value[wanted]], axis=0)[-1]
    return tf.cast(value, tf.int32)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns an image as its orientation asks.

    Args:
        image: `[H, W, C]`.
        orientation: int32 `[]`, 1 to 8.

    Returns:
        `[H, W, C]`, or `[W, H, C]` where the orientation is 5 or more.
    """
    turn = (orientation - 1) % 4
    rows = tf.where(turn >= 2, -1, 1)
    columns = tf.where((turn == 1) | (turn == 2), -1, 1)

    def transposed() -> tf.Tensor:
        # tf.transpose of bytes has oneDNN log an error before it does it.
        height, width, channels = tf.unstack(tf.shape(image))
        places = tf.range(width)[:, None] + tf.range(height) * width  # [W, H]
        return tf.gather(tf.reshape(image, [-1, channels]), places)

    turned = tf.cond(orientation > 4, transposed, lambda: image)
    return turned[::rows, ::columns]
