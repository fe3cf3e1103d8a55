"""Defines a reader of numbered images, and makes splits of readers.

A reader is all that a new source of images needs: names, labels if it has
some, and the bytes of image number i. The order of an epoch is drawn over the
numbers alone, as it is for folders. So it follows from (seed, epoch), and is
the same wherever the images lie.
"""

from __future__ import annotations

import concurrent.futures
import io
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, image_file
from and_tf.data.pixel_budget import MOST_PIXELS, too_large
from and_tf.data.pixel_format import (
    RGB,
    PixelFormat,
    fitting,
    other_bands,
    without_range,
)
from and_tf.data.split import Seed, Split, Stream, shuffled_numbers
from and_tf.data.verifying import LEAST
from and_tf.data.walking import UNREADABLE, Refused, Skipped, summaries, utf8
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

_SAMPLE = 64  # Images whose sizes are compared before those of all are.
_AT_ONCE = 1024
_BYTES = bytes, bytearray, memoryview


class Reader:
    """A source of numbered images, which are read in any order.

    A subclass sets the attributes and overrides `read`, which many threads
    call at the same time.

    Attributes:
        names: The name of each image, by number. A name stands for its image
            in tables, exports and messages. It is unique, and should stay
            when images are added, so a path or a key is better than a number.
        labels: The label of each image: whole numbers or texts, None or a
            negative number where it is unknown. None if there are no labels.
        class_names: The name of each class if labels are numbers from 0; None
            if they are texts, or have no names.
        image_shape: (H, W) if it is known that all images have it; None if
            they differ, or if it is to be found out.
        skipped: What was found and left out.
    """

    names: Sequence[str] = ()
    labels: Sequence[int | float | str | None] | np.ndarray | None = None
    class_names: Sequence[str] | None = None
    image_shape: tuple[int, int] | None = None
    skipped: tuple[Skipped, ...] = ()

    def read(self, number: int) -> bytes | np.ndarray:
        """Returns an image.

        Args:
            number: The number of the image, 0..N-1.

        Returns:
            The bytes of an image file, or pixels: uint8 `[H, W, 3]`, or grey
            as `[H, W, 1]` or `[H, W]`. With other --channels, they may be
            `[H, W, channels]` of any type of numbers.

        Raises:
            Exception: If it cannot be read. The image is then left out, and
                named.
        """
        raise NotImplementedError

    def identity(self) -> str | None:
        """Returns a name for the current state of the images.

        It changes with any of them, and decoded images are kept under it. None
        keeps nothing. `decode_cache.identity` makes one of files.
        """
        return None


def split_of(
    name: str,
    reader: Reader,
    labels: np.ndarray | None = None,
    class_names: tuple[str, ...] | None = None,
    form: PixelFormat = RGB,
) -> Split:
    """Makes a streamed split of a reader.

    Args:
        name: The split's name.
        reader: A reader of N images.
        labels: int64 `[N]`, -1 for images without a label; None if no image
            has one.
        class_names: The printable name of each class, or None.
        form: The channels that are read, and what their values mean.

    Raises:
        InputError: If there are no images, or two of one name.
    """
    names = tuple(reader.names)
    if not names:
        told = "; ".join(summaries(reader.skipped)) or "none"
        raise InputError(f"Expected images in {name}. Received: {told}.")
    _check_names(names, name)
    return Split(
        name=name,
        size=len(names),
        image_shape=reader.image_shape
        or _shared_shape(reader, len(names), form),
        stream=_stream(reader, names, form),
        labels=labels,
        class_names=class_names if labels is not None else None,
        file_names=names,
        skipped=tuple(reader.skipped),
        channels=form.channels,
    )


def pixels(
    reader: Reader,
    number: int,
    form: PixelFormat = RGB,
    whys: MutableMapping[int, str] | None = None,
) -> np.ndarray:
    """Decodes an image; returns an image of no pixels if it cannot be read.

    Args:
        reader: The reader.
        number: The number of the image.
        form: The channels that are read, and what their values mean.
        whys: Where to note why an image cannot be read, by its number.
    """
    content = None
    try:
        content = reader.read(number)
        return _decoded(content, form)
    except Exception as error:  # Readers and Pillow raise many kinds.
        if whys is not None:
            whys[number] = _why(content, error, form)
        return form.no_image


def _why(content: Any, error: Exception, form: PixelFormat) -> str:
    """Returns a reason for `Skipped` for what has raised an error."""
    if isinstance(content, _BYTES) and not isinstance(error, Refused):
        header = image_file.read_header(io.BytesIO(content), form)
        if isinstance(header, str):
            return header
    return image_file.why_not_read(error)


def _decoded(content: Any, form: PixelFormat) -> np.ndarray:
    """Returns pixels, uint8 `[H, W, C]`, of what a reader has returned.

    Raises:
        Exception: If it is no image, or one of other channels.
    """
    if isinstance(content, _BYTES):
        return image_file.read_image(io.BytesIO(content), form)
    _check_pixels(content, form)
    return form.levels(_fitting(content, form.channels))


def _values(reader: Reader, number: int, channels: int) -> np.ndarray | None:
    """Returns the values of an image; None if it cannot be read."""
    try:
        content = reader.read(number)
        if isinstance(content, np.ndarray):
            return _fitting(content, channels)
        return image_file.read_values(io.BytesIO(content), channels)
    except Exception:  # Readers and Pillow raise many kinds of errors.
        return None


def _size(
    reader: Reader, number: int, form: PixelFormat
) -> tuple[int, int] | None:
    """Returns the (H, W) of an image; None if it cannot be read."""
    try:
        content = reader.read(number)
        if isinstance(content, np.ndarray):
            _check_pixels(content, form)
            return content.shape[:2]
        header = image_file.read_header(io.BytesIO(content), form)
    except Exception:  # Readers raise many kinds of errors.
        return None
    return None if isinstance(header, str) else (header.height, header.width)


def _check_pixels(content: Any, form: PixelFormat) -> None:
    """Checks that pixels are those of an image of these channels.

    Raises:
        Refused: If they are not.
    """
    _check_array(content, form.channels)
    bands = 1 if content.ndim == 2 else content.shape[2]
    fits = bands == form.channels or {bands, form.channels} == {1, 3}
    if not fits:
        raise Refused(other_bands(bands, form.channels))
    if not form.ranged and content.dtype != np.uint8:
        raise Refused(without_range(content.dtype))


def _check_array(content: Any, channels: int) -> None:
    """Checks that an array is an image of numbers, with its channels last.

    Raises:
        Refused: If it is not.
    """
    if not isinstance(content, np.ndarray):
        raise Refused(f"that are of the type {type(content).__name__}")
    if content.dtype.kind not in "buif":
        raise Refused(f"of {content.dtype} values")
    shape = list(content.shape)
    if len(shape) not in (2, 3) or not content.size:
        raise Refused(f"of the shape {shape}, where [H, W, C] was expected")
    first = len(shape) == 3 and shape[0] == channels != shape[2] > 4
    if first:
        raise Refused(f"of the shape {shape}, whose channels belong last")
    if shape[0] * shape[1] > MOST_PIXELS:
        raise Refused(too_large())


def _fitting(content: np.ndarray, channels: int) -> np.ndarray:
    """Gives an array C channels, `[H, W, C]`.

    Raises:
        Refused: If it is no image of so many.
    """
    _check_array(content, channels)
    return fitting(content, channels)


def _check_names(names: tuple[str, ...], name: str) -> None:
    """Checks that each image has a name of its own.

    Raises:
        InputError: If two have the same.
    """
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(n for n in names if n in seen or seen.add(n))  # type: ignore[func-returns-value]
        raise InputError(
            f"Expected a name of its own for each image of {name}. Received: "
            f"{utf8(twice)} more than once. Remove what is there twice."
        )


def _stream(
    reader: Reader, names: tuple[str, ...], form: PixelFormat
) -> Stream:
    """Makes a stream of a reader; only the numbers are shuffled."""
    table = np.array([utf8(name).encode() for name in names])
    whys: dict[int, str] = {}

    def encoded(seed: Seed) -> tf.data.Dataset:
        return shuffled_numbers(len(names), seed).map(lambda n: (n, n))

    def decode(number: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(
            lambda n: pixels(reader, int(n), form, whys), [number], tf.uint8
        )
        return tf.ensure_shape(image, (None, None, form.channels))

    def identity() -> str | None:
        name = reader.identity()
        if name is None or form.usual:
            return name
        return decode_cache.identity([], name, *form.cache_key)

    return Stream(
        encoded,
        decode,
        identity=identity,
        values=lambda number: _values(reader, number, form.channels),
        shown=lambda number: tf.gather(table, number),
        why=lambda number: whys.get(number, UNREADABLE),
    )


def _shared_shape(
    reader: Reader, size: int, form: PixelFormat
) -> tuple[int, int] | None:
    """Returns the (H, W) that all images share; None if they differ.

    Only if a sample shares one, all images are looked at. Images that cannot
    be read do not count. The result is kept until the images change.
    """
    sample = np.unique(np.linspace(0, size - 1, _SAMPLE).astype(np.int64))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sizes = set(pool.map(lambda n: _size(reader, int(n), form), sample))
        sizes -= {None}
        if len(sizes) != 1:
            return None
        if len(sample) == size:
            return sizes.pop()
        identity = reader.identity() if size >= LEAST else None
        name = None
        if identity is not None:
            name = decode_cache.identity(
                [], identity, "shared shape", *form.cache_key
            )
        entry = None if name is None else decode_cache.recall(name)
        if entry is None:
            found = _scan(reader, size, pool, form)
            entry = np.array(found, np.int64).view(np.uint8)
            if name is not None:
                decode_cache.keep(name, entry, least=0)
    height, width = entry.view(np.int64).tolist()
    return (height, width) if height else None


def _scan(
    reader: Reader,
    size: int,
    pool: concurrent.futures.Executor,
    form: PixelFormat,
) -> tuple[int, int]:
    """Returns the (H, W) that all images share; (0, 0) if they differ."""
    sizes: set[tuple[int, int] | None] = set()
    with Counted("read the sizes of images", size) as progress:
        for first in range(0, size, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, size))
            sizes |= set(pool.map(lambda n: _size(reader, n, form), numbers))
            if size >= LEAST:
                progress.advance(len(numbers))
            if len(sizes - {None}) > 1:
                return 0, 0
    found = sizes - {None}
    shape = found.pop() if found else None
    return shape or (0, 0)
