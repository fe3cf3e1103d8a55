"""JPEG and PNG, decoded inside a graph to the pixels that training saw.

`decode` gives what `and_tf.data.image_file.read_image` gives for the same
bytes, to the bit, with three exceptions: a CMYK JPEG may differ by one level
of 255; an orientation that is written in XMP alone is not seen; and a file
that ends too early is refused even where all pixels are there.
"""

from __future__ import annotations

import tensorflow as tf

from and_tf.data.image_file import MOST_PIXELS
from and_tf.preprocessing import centre_square
from export.file_parts import byte_values, jpeg_exif, png_chunk
from export.orientation import of_exif, upright

# What files of either kind begin with.
JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"


def decode_batch(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """Decodes images, each of its own size, to their centre squares.

    It runs in parallel, and one image that cannot be decoded does not hide
    which: a data set inside the graph passes over the broken ones, and those
    that are missing at its end are named.

    Args:
        encoded: string `[B]`, JPEG or PNG; B may be 0.
        size: S.

    Returns:
        uint8 `[B, S, S, 3]`.

    Raises:
        tf.errors.InvalidArgumentError: When run, if images cannot be decoded;
            says at which positions.
    """
    count = tf.shape(encoded, tf.int64)[0]

    def numbered(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = decode(tf.gather(encoded, position))
        return position, centre_square(image, size)

    good = tf.data.Dataset.range(count).map(
        numbered, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    # One batch is taken, and there is none of nothing: hence one row more.
    last = tf.constant(-1, tf.int64), tf.zeros([size, size, 3], tf.uint8)
    rows = good.ignore_errors().concatenate(tf.data.Dataset.from_tensors(last))
    positions, images = rows.batch(count + 1).get_single_element()
    with tf.control_dependencies([_assert_all(positions[:-1], count)]):
        return tf.ensure_shape(images[:-1], (None, size, size, 3))


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG or PNG, upright, what is transparent as white.

    Args:
        encoded: string `[]`.

    Returns:
        uint8 `[H, W, 3]`.

    Raises:
        tf.errors.InvalidArgumentError: When run, if it is neither, or broken,
            or larger than any image that training takes.
    """
    is_jpeg = tf.strings.substr(encoded, 0, len(JPEG)) == JPEG
    is_png = tf.strings.substr(encoded, 0, len(PNG)) == PNG
    expected = tf.debugging.Assert(
        is_jpeg | is_png, ["Expected a JPEG or PNG. Received other bytes."]
    )
    with tf.control_dependencies([expected]):
        encoded = tf.identity(encoded)
    pixels = tf.cond(
        is_jpeg, lambda: _jpeg_pixels(encoded), lambda: _png_pixels(encoded)
    )
    # Some kilobytes can say that they are gigabytes.
    small = tf.debugging.Assert(
        pixels <= MOST_PIXELS, ["Expected fewer pixels. Received:", pixels]
    )
    with tf.control_dependencies([small]):
        encoded = tf.identity(encoded)
    image = tf.cond(
        is_jpeg, lambda: _decode_jpeg(encoded), lambda: _decode_png(encoded)
    )
    return tf.ensure_shape(image, (None, None, 3))


def _jpeg_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """How many pixels the header says there are, float64 `[]`."""
    shape = tf.io.extract_jpeg_shape(encoded)
    return tf.reduce_prod(tf.cast(shape[:2], tf.float64))


def _png_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """The same: width and height are big-endian words from byte 16 on."""
    # Lengthened first, as an error about a short file would quote its bytes.
    header = tf.strings.substr(encoded, 0, 24)
    header = tf.strings.join([header, b"\0" * 24])
    sides = byte_values(tf.strings.substr(header, 16, 8))
    sides = tf.reshape(tf.cast(sides, tf.float64), [2, 4])
    powers = tf.constant([2.0**24, 2.0**16, 2.0**8, 1.0], tf.float64)
    return tf.reduce_prod(tf.reduce_sum(sides * powers, axis=1))


def _decode_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    # The default cosine transform is a faster, coarser one than Pillow's.
    image = tf.io.decode_jpeg(
        encoded, channels=3, dct_method="INTEGER_ACCURATE"
    )
    return upright(image, of_exif(jpeg_exif(encoded)))


def _decode_png(encoded: tf.Tensor) -> tf.Tensor:
    # The header comes first: at byte 24 the bits of a channel, at 25 the kind
    # of colour, 0 for grey, 4 and 6 with alpha.
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
        # Asked for four channels here, TensorFlow would make up an alpha of
        # 1 for an image of one bit.
        default=lambda: tf.io.decode_png(encoded, channels=3),
    )
    exif = png_chunk(encoded, b"eXIf", until=b"IEND")
    return upright(image, of_exif(exif))


def _decode_deep_grey(encoded: tf.Tensor) -> tf.Tensor:
    """Grey of 16 bits to 8, rounded."""
    deep = tf.io.decode_png(encoded, channels=1, dtype=tf.uint16)
    grey = tf.round(tf.cast(deep, tf.float32) / 257)
    return tf.tile(tf.cast(grey, tf.uint8), [1, 1, 3])


def _on_white(image: tf.Tensor) -> tf.Tensor:
    """Puts uint8 `[H, W, 4]` on white; rounded as Pillow does."""
    colour, alpha = tf.split(tf.cast(image, tf.int32), [3, 1], axis=-1)
    mixed = colour * alpha + 255 * (255 - alpha)
    return tf.cast((mixed + 127) // 255, tf.uint8)


def _assert_all(positions: tf.Tensor, count: tf.Tensor) -> tf.Operation:
    """Asserts that the positions are all of 0..count-1."""
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
