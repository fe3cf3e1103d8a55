"""Reads the EXIF orientation of an encoded JPEG or PNG, by graph operations.

TensorFlow's decoders do not rotate images. Cameras store most portraits on
their side, with a tag that states the orientation.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# No camera writes more parts than these before the wanted one. Without a
# limit, a file of empty parts would keep a server busy.
_MOST_SEGMENTS = 256
_MOST_CHUNKS = 4096


def jpeg_exif(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the content of a JPEG's first Exif segment.

    Args:
        encoded: string `[]`, the content of a JPEG file.

    Returns:
        string `[]`, the EXIF data from their byte order mark on; empty if the
        file has none.
    """

    def visit(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = byte_values(tf.strings.substr(encoded, at, 4))
        is_exif = (head[1] == 0xE1) & (
            tf.strings.substr(encoded, at + 4, 6) == b"Exif\0\0"
        )
        # The image data begin at the SOS marker; a part without a marker
        # means that the file is broken.
        more = (head[0] == 0xFF) & (head[1] != 0xDA)
        length = tf.maximum(number(head, 2, 2, little=False), 2)
        return is_exif & more, more, at + 2 + length

    start, end = _find(encoded, 2, visit, _MOST_SEGMENTS)
    return _between(encoded, start + 10, end)


def png_chunk(encoded: tf.Tensor, kind: bytes, until: bytes) -> tf.Tensor:
    """Returns the content of a PNG's first chunk of a kind.

    Args:
        encoded: string `[]`, the content of a PNG file.
        kind: The four letters of the chunk's type, such as `b"eXIf"`.
        until: The type of the chunk at which the search ends.

    Returns:
        string `[]`, the chunk's data; empty if there is no such chunk.
    """

    def visit(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = byte_values(tf.strings.substr(encoded, at, 4))
        here = tf.strings.substr(encoded, at + 4, 4)
        length = number(head, 0, 4, little=False)
        return here == kind, here != until, at + 12 + length

    start, end = _find(encoded, 8, visit, _MOST_CHUNKS)
    return _between(encoded, start + 8, end - 4)


def byte_values(text: tf.Tensor) -> tf.Tensor:
    """Returns the bytes of a string `[]` as numbers, int64 `[n]`."""
    return tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int64)


def number(
    values: tf.Tensor, at: int | tf.Tensor, size: int, little: tf.Tensor | bool
) -> tf.Tensor:
    """Reads an unsigned number from the bytes of each row.

    Args:
        values: int64 `[…, n]`, bytes as numbers.
        at: The position of the number's first byte.
        size: The number of its bytes.
        little: Whether the lowest byte comes first.

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
    """Walks through a file's parts up to the wanted one.

    Args:
        encoded: string `[]`, the content of the file.
        first: The position of the first part.
        visit: A function of a part's position. It returns whether the part is
            the wanted one, whether others may follow, and the position of the
            next one.
        most: The largest number of parts to visit.

    Returns:
        The positions where the part begins and ends, int64 `[]`; both are 0
        if the file has no such part.
    """
    size = tf.cast(tf.strings.length(encoded), tf.int64)

    def step(
        at: tf.Tensor, start: tf.Tensor, end: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # A part whose head is cut off does not count.
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
    """Returns a part of a string; empty if `end` is not after `start`."""
    length = tf.maximum(end - start, 0)
    start = tf.where(length > 0, start, 0)
    return tf.strings.substr(encoded, start, length)


_TAG = 0x0112
_SHORT, _LONG = 3, 4  # Types of a tag's value.


def of_exif(exif: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from the first directory of EXIF data.

    Args:
        exif: string `[]`, EXIF data from their byte order mark on.

    Returns:
        int32 `[]`, 1 to 8. It is 1, upright, if the data have no orientation
        or are malformed.
    """
    size = tf.cast(tf.strings.length(exif), tf.int64)
    little = tf.strings.substr(exif, 0, 2) == b"II"
    # The zeros are read if an offset points to the end of the data.
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
    # If there are several tags, the last one counts, as in Pillow.
    value = tf.concat([[1], value[wanted]], axis=0)[-1]
    return tf.cast(value, tf.int32)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns an image upright.

    Args:
        image: `[H, W, C]`, pixels of any dtype.
        orientation: int32 `[]`, the EXIF orientation, 1 to 8.

    Returns:
        `[H, W, C]`, or `[W, H, C]` if the orientation is 5 or more.
    """
    turn = (orientation - 1) % 4
    rows = tf.where(turn >= 2, -1, 1)
    columns = tf.where((turn == 1) | (turn == 2), -1, 1)

    def transposed() -> tf.Tensor:
        # Not tf.transpose: for bytes, oneDNN logs an error before it works.
        height, width, channels = tf.unstack(tf.shape(image))
        places = tf.range(width)[:, None] + tf.range(height) * width  # [W, H]
        return tf.gather(tf.reshape(image, [-1, channels]), places)

    turned = tf.cond(orientation > 4, transposed, lambda: image)
    return turned[::rows, ::columns]
