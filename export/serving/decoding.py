"""Decodes JPEG and PNG inside a graph, to the pixels that training saw.

`decode` gives what `and_tf.data.image_file.read_image` gives for the same
bytes, to the bit, with three exceptions: a CMYK JPEG may differ by one level
of 255; an orientation that is written in XMP alone is ignored; and a file
that ends too early is refused even if all of its pixels are there.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from and_tf.data.image_depth import WHITE
from and_tf.data.pixel_budget import (
    LARGE_PIXELS,
    MOST_PIXELS,
    MOST_PIXELS_A_BYTE,
    MOST_WORK,
)
from and_tf.data.preprocessing import centre_square
from export.serving.exif import (
    byte_values,
    jpeg_exif,
    of_exif,
    png_chunk,
    upright,
)

# The first bytes of a file of each format.
JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"
PARALLEL_PIXELS = 2**24  # Images with more pixels are decoded one by one.
_START_OF_SCAN = b"\xff\xda"
_STRIP_PIXELS = 2**20


def decode_batch(encoded: tf.Tensor, size: int, channels: int = 3) -> tf.Tensor:
    """Decodes images, each of its own size, to their centre squares.

    It decodes in parallel and names all images that cannot be decoded: a data
    set inside the graph skips the broken ones, and the error lists the
    positions that are missing at its end.

    Images of more than `PARALLEL_PIXELS` are decoded one after another, so
    that the memory of a request does not grow with their number. It is about
    14 bytes a pixel, for the largest image and for `PARALLEL_PIXELS` pixels
    per core. Concurrent requests need this memory each.

    Args:
        encoded: string `[B]`, the contents of JPEG or PNG files; B may be 0.
        size: The side S of the squares, in pixels.
        channels: C: 3 for RGB, 1 for grey.

    Returns:
        uint8 `[B, S, S, C]`.

    Raises:
        tf.errors.InvalidArgumentError: If images cannot be decoded when the
            graph runs; the message lists their positions.
    """
    count = tf.shape(encoded, tf.int64)[0]
    empty = tf.zeros([size, size, channels], tf.uint8)

    def square(image: tf.Tensor) -> tf.Tensor:
        return centre_square(_grey(image) if channels == 1 else image, size)

    def unless_large(position: tf.Tensor) -> tuple[tf.Tensor, ...]:
        one = tf.gather(encoded, position)
        is_large = _checked_pixels(one) > PARALLEL_PIXELS
        image = tf.cond(is_large, lambda: empty, lambda: square(_decoded(one)))
        return position, image, is_large

    def large(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = decode(tf.gather(encoded, position))
        return position, square(image)

    positions, images, is_large = _collected(
        tf.data.Dataset.range(count), unless_large, tf.data.AUTOTUNE, count
    )
    left = tf.boolean_mask(positions, is_large)

    def with_large() -> tuple[tf.Tensor, tf.Tensor]:
        those = tf.data.Dataset.from_tensor_slices(left)
        found, more = _collected(those, large, 1, count)
        all_positions = tf.concat(
            [tf.boolean_mask(positions, ~is_large), found], axis=0
        )
        all_images = tf.concat(
            [tf.boolean_mask(images, ~is_large), more], axis=0
        )
        order = tf.argsort(all_positions)
        return tf.gather(all_positions, order), tf.gather(all_images, order)

    positions, images = tf.cond(
        tf.size(left) > 0, with_large, lambda: (positions, images)
    )
    with tf.control_dependencies([_assert_all(positions, count)]):
        return tf.ensure_shape(images, (None, size, size, channels))


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG or PNG upright, with transparent pixels as white.

    Args:
        encoded: string `[]`, the content of a JPEG or PNG file.

    Returns:
        uint8 `[H, W, 3]`.

    Raises:
        tf.errors.InvalidArgumentError: If, when the graph runs, the file is
            neither a JPEG nor a PNG, is broken, or is larger than training
            would accept.
    """
    with tf.control_dependencies([_checked_pixels(encoded)]):
        return _decoded(tf.identity(encoded))


def _grey(image: tf.Tensor) -> tf.Tensor:
    """Converts uint8 `[H, W, 3]` to grey `[H, W, 1]`, as Pillow does."""
    red, green, blue = tf.unstack(tf.cast(image, tf.int32), axis=-1)
    luma = (19595 * red + 38470 * green + 7471 * blue + 32768) // 65536
    return tf.cast(luma, tf.uint8)[..., tf.newaxis]


def _collected(
    positions: tf.data.Dataset,
    compute: Callable[[tf.Tensor], tuple[tf.Tensor, ...]],
    parallel: int,
    most: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """Computes tensors for each position, and stacks those that succeed.

    Args:
        positions: A data set of positions, int64 `[]`.
        compute: A function of one position that returns tensors of known
            shapes.
        parallel: The number of positions that are computed at the same time.
        most: int64 `[]`, the largest number of positions.

    Returns:
        The tensors, with a new first axis for the positions that succeeded.
    """
    good = positions.map(
        compute, num_parallel_calls=parallel, deterministic=True
    ).ignore_errors()
    # A data set without elements has no batch to get, so a row is added and
    # removed again.
    last = tuple(tf.zeros(s.shape, s.dtype) for s in good.element_spec)
    rows = good.concatenate(tf.data.Dataset.from_tensors(last))
    columns = rows.batch(most + 1).get_single_element()
    return tuple(column[:-1] for column in columns)


def _checked_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the number of pixels that the header states, float64 `[]`.

    A file of kilobytes can claim gigabytes of pixels, or scan them for
    minutes. This fails for the files that `and_tf.data.image_file` refuses.
    """
    is_jpeg = _begins_with(encoded, JPEG)
    expected = tf.debugging.Assert(
        is_jpeg | _begins_with(encoded, PNG),
        ["Expected a JPEG or PNG. Received other bytes."],
    )
    with tf.control_dependencies([expected]):
        encoded = tf.identity(encoded)
    pixels = tf.cond(
        is_jpeg, lambda: _jpeg_pixels(encoded), lambda: _png_pixels(encoded)
    )
    length = tf.cast(tf.strings.length(encoded), tf.float64)
    most = tf.maximum(
        tf.constant(LARGE_PIXELS, tf.float64), MOST_PIXELS_A_BYTE * length
    )
    most = tf.minimum(tf.constant(MOST_PIXELS, tf.float64), most)
    work = pixels * tf.where(is_jpeg, _scans(encoded), 1.0)
    small = [
        tf.debugging.Assert(
            pixels <= most, ["Expected fewer pixels. Received:", pixels]
        ),
        tf.debugging.Assert(
            work <= MOST_WORK, ["Expected fewer scans. Received others."]
        ),
    ]
    with tf.control_dependencies(small):
        return tf.identity(pixels)


def _decoded(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a file that passed `_checked_pixels`, to uint8 `[H, W, 3]`."""
    image = tf.cond(
        _begins_with(encoded, JPEG),
        lambda: _decode_jpeg(encoded),
        lambda: _decode_png(encoded),
    )
    return tf.ensure_shape(image, (None, None, 3))


def _begins_with(encoded: tf.Tensor, mark: bytes) -> tf.Tensor:
    return tf.strings.substr(encoded, 0, len(mark)) == mark


def _scans(encoded: tf.Tensor) -> tf.Tensor:
    """Counts the scans of a JPEG over its pixels, float64 `[]`."""
    parts = tf.strings.split(encoded, _START_OF_SCAN)
    return tf.cast(tf.size(parts) - 1, tf.float64)


def _jpeg_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the number of pixels in a JPEG's header, float64 `[]`."""
    shape = tf.io.extract_jpeg_shape(encoded)
    return tf.reduce_prod(tf.cast(shape[:2], tf.float64))


def _png_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the number of pixels in a PNG's header, float64 `[]`.

    Width and height are 32-bit big-endian numbers from byte 16 on.
    """
    # Padded first, because an error about a short file would quote its bytes.
    header = tf.strings.substr(encoded, 0, 24)
    header = tf.strings.join([header, b"\0" * 24])
    sides = byte_values(tf.strings.substr(header, 16, 8))
    sides = tf.reshape(tf.cast(sides, tf.float64), [2, 4])
    powers = tf.constant([2.0**24, 2.0**16, 2.0**8, 1.0], tf.float64)
    return tf.reduce_prod(tf.reduce_sum(sides * powers, axis=1))


def _decode_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    # The default cosine transform is faster but less exact than Pillow's.
    image = tf.io.decode_jpeg(
        encoded, channels=3, dct_method="INTEGER_ACCURATE"
    )
    return upright(image, of_exif(jpeg_exif(encoded)))


def _decode_png(encoded: tf.Tensor) -> tf.Tensor:
    # Byte 24 of the header is the number of bits per channel, and byte 25 the
    # colour type: 0 is grey, 4 and 6 have alpha.
    header = tf.strings.substr(encoded, 0, 26)
    header = byte_values(tf.strings.join([header, b"\0" * 26]))
    bits, colour = header[24], header[25]
    has_alpha = (colour == 4) | (colour == 6)
    has_alpha |= png_chunk(encoded, b"tRNS", until=b"IDAT") != b""
    image = tf.case(
        [
            (
                (bits == 16) & (colour == 0),
                lambda: _decode_deep_grey(encoded),
            ),
            (
                has_alpha,
                lambda: _on_white(tf.io.decode_png(encoded, channels=4)),
            ),
        ],
        # Not four channels: TensorFlow would give images of one bit an alpha
        # of 1.
        default=lambda: tf.io.decode_png(encoded, channels=3),
    )
    exif = png_chunk(encoded, b"eXIf", until=b"IEND")
    return upright(image, of_exif(exif))


def _decode_deep_grey(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes 16-bit grey to rounded 8-bit RGB, scaled as in `image_depth`."""
    deep = tf.io.decode_png(encoded, channels=1, dtype=tf.uint16)
    step = tf.cast(_white_level(encoded, deep) / 255, tf.float32)
    grey = tf.round(tf.cast(deep, tf.float32) / step)
    return tf.tile(tf.cast(grey, tf.uint8), [1, 1, 3])


def _white_level(encoded: tf.Tensor, deep: tf.Tensor) -> tf.Tensor:
    """Returns the grey value of white, float64 `[]`.

    It is 65,535, or the largest value of the fewer bits that the file's sBIT
    chunk states, if the pixels are stored in the lowest bits.
    """
    chunk = png_chunk(encoded, b"sBIT", until=b"IDAT")
    bits = byte_values(tf.strings.join([chunk, b"\0"]))[0]
    bits = tf.where((bits > 8) & (bits < 16), bits, 16)
    white = tf.bitwise.left_shift(tf.constant(1, tf.int64), bits) - 1
    lowest = tf.bitwise.left_shift(tf.constant(1, tf.int64), 16 - bits) - 1
    has_lowest = tf.reduce_any(
        tf.bitwise.bitwise_and(deep, tf.cast(lowest, tf.uint16)) != 0
    )
    # Not tf.reduce_max, which lacks a uint16 kernel on some devices.
    fits = tf.reduce_all(deep <= tf.cast(white, tf.uint16))
    white = tf.where(has_lowest & fits, white, WHITE)
    return tf.cast(white, tf.float64)


def _on_white(image: tf.Tensor) -> tf.Tensor:
    """Blends uint8 `[H, W, 4]` with a white background, strip by strip.

    Without strips, a large image would need 20 bytes a pixel in between.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    rows = tf.maximum(_STRIP_PIXELS // width, 1)
    count = (height + rows - 1) // rows

    def strip(i: tf.Tensor, strips: tf.TensorArray) -> tuple:
        mixed = _mixed(image[i * rows : (i + 1) * rows])
        return i + 1, strips.write(i, mixed)

    strips = tf.TensorArray(
        tf.uint8, count, infer_shape=False, element_shape=(None, None, 3)
    )
    _, strips = tf.while_loop(
        lambda i, _: i < count, strip, (0, strips), parallel_iterations=1
    )
    return strips.concat()


def _mixed(image: tf.Tensor) -> tf.Tensor:
    """Blends uint8 `[H, W, 4]` with white, rounded as in Pillow."""
    # The largest sum is 255 · 255 + 127, which fits uint16.
    colour, alpha = tf.split(tf.cast(image, tf.uint16), [3, 1], axis=-1)
    mixed = colour * alpha + 255 * (255 - alpha)
    return tf.cast((mixed + 127) // 255, tf.uint8)


def _assert_all(positions: tf.Tensor, count: tf.Tensor) -> tf.Operation:
    """Asserts that all positions 0..count-1 are present."""
    is_there = tf.scatter_nd(
        positions[:, None], tf.ones_like(positions), count[None]
    )
    missing = tf.where(is_there == 0)[:, 0]
    message = tf.strings.format(
        "Expected encoded JPEG or PNG images. Received at positions {} what "
        "cannot be decoded.",
        missing,
        summarize=-1,
    )
    return tf.debugging.Assert(tf.size(missing) == 0, [message])
