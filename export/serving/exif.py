"""Reads the EXIF orientation of an encoded JPEG or PNG, by graph operations.

TensorFlow's decoders leave an image as it is stored. Cameras store most
portraits lying on their side, with a tag that says so.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# More parts than these before the one in question no camera writes; without a
# limit a file of empty parts would keep a server busy.
_MOST_SEGMENTS = 256
_MOST_CHUNKS = 4096


def jpeg_exif(encoded: tf.Tensor) -> tf.Tensor:
    """The content of a JPEG's first Exif segment.

    Args:
        encoded: string `[]`, a JPEG.

    Returns:
        string `[]`, from the data's byte order on; empty where there is none.
    """

    def visit(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = byte_values(tf.strings.substr(encoded, at, 4))
        is_exif = (head[1] == 0xE1) & (
            tf.strings.substr(encoded, at + 4, 6) == b"Exif\0\0"
        )
        # The image's data begin at SOS; where no marker is, the file is
        # broken.
        more = (head[0] == 0xFF) & (head[1] != 0xDA)
        length = tf.maximum(number(head, 2, 2, little=False), 2)
        return is_exif & more, more, at + 2 + length

    start, end = _find(encoded, 2, visit, _MOST_SEGMENTS)
    return _between(encoded, start + 10, end)


def png_chunk(encoded: tf.Tensor, kind: bytes, until: bytes) -> tf.Tensor:
    """The content of a PNG's first chunk of a kind.

    Args:
        encoded: string `[]`, a PNG.
        kind: Four letters, such as `b"eXIf"`.
        until: The chunk after which none of that kind can follow.

    Returns:
        string `[]`, empty where there is none.
    """

    def visit(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = byte_values(tf.strings.substr(encoded, at, 4))
        here = tf.strings.substr(encoded, at + 4, 4)
        length = number(head, 0, 4, little=False)
        return here == kind, here != until, at + 12 + length

    start, end = _find(encoded, 8, visit, _MOST_CHUNKS)
    return _between(encoded, start + 8, end - 4)


def byte_values(text: tf.Tensor) -> tf.Tensor:
    """The bytes of a string `[]` as numbers, int64 `[n]`."""
    return tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int64)


def number(
    values: tf.Tensor, at: int | tf.Tensor, size: int, little: tf.Tensor | bool
) -> tf.Tensor:
    """The unsigned number of `size` bytes at a place of each row.

    Args:
        values: int64 `[…, n]`, bytes.
        at: Where it begins.
        size: How many bytes it has.
        little: Whether the lowest comes first.

    Returns:
        int64 `[…]`.
    """
    values = values[..., at : at + size]
    values = tf.where(little, values[..., ::-1], values)
    weights = [256**i for i in reversed(range(size))]
    return tf.reduce_sum(values * tf.constant(weights, tf.int64), axis=-1)


def _find(
    encoded: tf.Tensor,
    first: int,
    visit: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]],
    most: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Walks a file's parts up to the one that is looked for.

    Args:
        encoded: string `[]`.
        first: Where the first part begins.
        visit: Takes where a part begins; gives whether it is the one, whether
            others may follow, and where the next begins.
        most: How many parts to visit.

    Returns:
        Where the part begins and ends, int64 `[]`; twice the same where there
        is none.
    """
    size = tf.cast(tf.strings.length(encoded), tf.int64)

    def step(at, start, end):
        # Where a part's head is cut off, there is none.
        found, more, following = tf.cond(
            at + 10 <= size,
            lambda: visit(at),
            lambda: (tf.constant(False), tf.constant(False), size),
        )
        start, end = tf.cond(
            found, lambda: (at, following), lambda: (start, end)
        )
        return tf.where(found | ~more, size, following), start, end

    nowhere = tf.constant(0, tf.int64)
    _, start, end = tf.while_loop(
        lambda at, *_: at < size,
        step,
        (tf.constant(first, tf.int64), nowhere, nowhere),
        maximum_iterations=most,
    )
    return start, tf.minimum(end, size)


def _between(encoded: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """A part of a string; an empty one where `end` is not after `start`."""
    length = tf.maximum(end - start, 0)
    start = tf.where(length > 0, start, 0)
    return tf.strings.substr(encoded, start, length)


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
