"""Decodes the images of a split once and holds them in memory."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, parallelism
from and_tf.data.preprocessing import centre_square
from and_tf.data.skipped import UNREADABLE, Skipped
from and_tf.data.split import Split, in_memory, take
from and_tf.data.walking import utf8
from and_tf.data.zero_copy import empty
from and_tf.utils import damage
from and_tf.utils.errors import InputError

_GROUP = 64  # The number of images decoded as one element of a data set.
_COPIED_BYTES = 4 * 2**20  # Bytes of the images that Python gets at once.


def hold(split: Split, side: int | None, later: bool = False) -> Split:
    """Decodes a streamed split once and keeps its images in memory.

    Files that cannot be read are left out, and named in `skipped`. If the
    images are records instead of files, all of them have to be readable, so
    that their number is known in advance. They are decoded in the background,
    and the first access to `images` waits for the end.

    Args:
        split: A split whose stream is a `Stream`.
        side: Side of the squares, in pixels: the centre square of each image
            is resized to it. None keeps the images as they are, of the shape
            that they all share.
        later: True decodes records when images are first needed, and leaves
            the cores to other work until then. Files are decoded at once.

    Raises:
        InputError: If a record cannot be read. It is raised when images are
            first needed.
    """
    square = (side, side) if side else split.image_shape
    assert square is not None
    shape = (*square, 3)
    fields: dict[str, Any] = dict(
        class_names=split.class_names, file_names=split.file_names
    )
    labels = lambda: split.labels  # noqa: E731
    if split.file_names is None:
        whole = functools.partial(_whole, split, shape, side)
        get = functools.cache(whole) if later else parallelism.begin(whole)
        all_images = split.size, *shape
        return in_memory(split.name, get, labels, all_images, **fields)
    images, readable, keep = _decoded(split, shape, side)
    keep()
    held = in_memory(
        split.name, images, labels, skipped=split.skipped, **fields
    )
    return without(held, np.flatnonzero(~readable))


def without(split: Split, broken: np.ndarray) -> Split:
    """Leaves out files that cannot be read, and names them in `skipped`.

    Args:
        split: A split of files.
        broken: int64 `[b]`, the sample numbers of the unreadable files.
    """
    if not len(broken):
        return split
    assert split.file_names is not None
    names = (utf8(split.file_names[number]) for number in broken)
    skipped = {*split.skipped, *(Skipped(name, UNREADABLE) for name in names)}
    good = np.delete(np.arange(split.size), broken)
    return take(split, good, tuple(sorted(skipped)))


def _whole(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> np.ndarray:
    """Decodes all images of a split of records, uint8 `[N, *shape]`.

    Raises:
        InputError: If a record is damaged or cannot be decoded.
    """
    try:
        images, readable, keep = _decoded(split, shape, side)
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise InputError(
            f"Expected the files of {split.name} to be whole. Received: "
            f"{damage.brief(error)}. Prepare the data set again."
        ) from error
    if not readable.all():
        raise InputError(
            f"Expected {split.size} images in {split.name}. Received "
            f"{readable.sum()}. Prepare the data set again."
        )
    parallelism.begin(keep)  # The cache is written while training starts.
    return images


def entry_name(split: Split, *more: object) -> str | None:
    """Names a split's entry in the cache, see `decode_cache.identity`.

    Args:
        split: A split whose stream is a `Stream`.
        *more: Further values that the content of the entry depends on.
    """
    stream = split.encoded_stream
    name, renumber = stream.identity(), stream.renumber
    if name is None:
        return None
    chosen = None if renumber is None else renumber.tobytes()
    return decode_cache.identity([], name, *more, chosen)


@tf.autograph.experimental.do_not_convert
def readable_batches(
    split: Split,
    shape: tuple[int, int, int],
    side: int | None,
    *,
    batch_size: int,
    first: int = 0,
) -> tf.data.Dataset:
    """Decodes a stream's images in batches, and marks those it cannot read.

    Args:
        split: A split whose stream is a `Stream`.
        shape: (H, W, 3), the shape of all images returned.
        side: Side of the squares, in pixels: the centre square of each image
            is resized to it, and `shape` is (side, side, 3). None returns the
            images as they are.
        batch_size: The number b of images in a batch; the last batch may be
            smaller.
        first: The number of images to skip; they are not decoded.

    Returns:
        Batches, in order of sample number, of (images uint8 `[b, *shape]`,
        readable bool `[b]`, sample numbers int64 `[b]`). An image that cannot
        be read is all zeros.
    """
    stream = split.encoded_stream

    def shaped(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = centre_square(image, side) if side else image
        return tf.ensure_shape(image, shape), tf.constant(True)

    @tf.function(autograph=False)
    def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = stream.decode(encoded)
        if image.shape.is_fully_defined():  # It is no empty, unreadable image.
            return shaped(image)
        return tf.cond(
            tf.size(image) > 0,
            lambda: shaped(image),
            lambda: (tf.zeros(shape, tf.uint8), tf.constant(False)),
        )

    def each(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        types = tf.uint8, tf.bool
        return tf.map_fn(decode, encoded, fn_output_signature=types)

    def all_at_once(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, readable = zip(*map(decode, tf.unstack(encoded, _GROUP)))
        return tf.stack(images), tf.stack(readable)

    def decode_group(encoded: tf.Tensor, numbers: tf.Tensor) -> tuple:
        encoded = stream.unpack(encoded)
        images, readable = tf.cond(
            tf.size(encoded) == _GROUP,
            lambda: all_at_once(encoded),
            lambda: each(encoded),
        )
        return images, readable, numbers

    # For small images, tf.data's own work for every element would take as long
    # as the decoding, so a group of images is one element. A full group is
    # decoded without a loop, which took a tenth longer.
    groups = stream.kept(None).skip(first).batch(_GROUP)
    return parallelism.fixed(
        groups.map(decode_group, num_parallel_calls=tf.data.AUTOTUNE)
        .rebatch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )


def _decoded(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> tuple[np.ndarray, np.ndarray, Callable[[], None]]:
    """Reads all images of a split from the cache, or decodes them.

    The images are cached only if all of them could be read, so that the next
    process tries unreadable ones again.

    Returns:
        The images, uint8 `[N, *shape]`; a mask of those that could be read,
        bool `[N]`; and a function that caches the images for other processes.
    """
    name = entry_name(split, shape, side)
    cached = None if name is None else decode_cache.recall(name)
    if cached is not None:
        return cached, np.ones(split.size, bool), lambda: None
    images, readable = _decode_all(split, shape, side)

    def keep() -> None:
        if name is not None and readable.all():
            decode_cache.keep(name, images)

    return images, readable, keep


def _decode_all(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes all images of a split.

    Returns:
        The images, uint8 `[N, *shape]`, and a mask of those that could be
        read, bool `[N]`.
    """
    images = empty((split.size, *shape))
    readable = np.zeros(split.size, bool)
    at_once = max(1, _COPIED_BYTES // math.prod(shape))
    batches = readable_batches(split, shape, side, batch_size=at_once)
    for batch, good, numbers in batches.as_numpy_iterator():
        if parallelism.abandoned():
            raise SystemExit
        those = slice(numbers[0], numbers[0] + len(numbers))
        images[those] = batch
        readable[those] = good
    return images, readable
