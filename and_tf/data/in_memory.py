"""Decodes the images of a split once and holds them in memory."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, parallelism
from and_tf.data.attempt import map_batches
from and_tf.data.preprocessing import centre_square
from and_tf.data.split import Split, in_memory
from and_tf.data.verifying import entry_name, recall, remember, without
from and_tf.data.zero_copy import empty
from and_tf.utils.errors import InputError

_GROUP = 64  # The number of images decoded as one element of a data set.
_MANY = 5_000  # From so many images on, a full group is decoded without a loop.
_COPIED_BYTES = 4 * 2**20  # Bytes of the images that Python gets at once.


def hold(split: Split, side: int | None, later: bool = False) -> Split:
    """Decodes a streamed split once and keeps its images in memory.

    Images that cannot be read are left out, and named in `skipped`. Their
    number has to be known before training begins, so images are decoded at
    once. If they are records and an earlier process has found out which of
    them can be read, they are decoded in the background, and the first access
    to `images` waits for the end.

    Args:
        split: A split whose stream is a `Stream`.
        side: Side of the squares, in pixels: the centre square of each image
            is resized to it. None keeps the images as they are, of the shape
            that they all share.
        later: True leaves the cores to other work until images are first
            needed, in cases where they may be decoded in the background.

    Raises:
        InputError: If a file of records is damaged. In the background it is
            raised when images are first needed.
    """
    square = (side, side) if side else split.image_shape
    assert square is not None  # As a split of mixed sizes has a side.
    shape = (*square, split.channels)
    labels = lambda: split.labels  # noqa: E731
    fields: dict[str, Any] = dict(
        class_names=split.class_names,
        file_names=split.file_names,
        resized=side is not None,
    )
    are_records = split.file_names is None
    broken = recall(split) if are_records else None
    if broken is not None:
        split = without(split, broken)
        whole = functools.partial(_whole, split, shape, side)
        get = functools.cache(whole) if later else parallelism.begin(whole)
        fields |= dict(shape=(split.size, *shape), skipped=split.skipped)
        return in_memory(split.name, get, labels, **fields)
    images, readable, keep = _decoded(split, shape, side)
    broken = np.flatnonzero(~readable)
    if are_records:
        remember(split, broken)
        parallelism.begin(keep)  # Training may start meanwhile.
    else:
        keep()
    held = in_memory(
        split.name, images, labels, skipped=split.skipped, **fields
    )
    return without(held, broken, split)


def _whole(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> np.ndarray:
    """Decodes records of which all can be read, uint8 `[N, *shape]`.

    Raises:
        InputError: If a file is damaged, or a record cannot be decoded.
    """
    images, readable, keep = _decoded(split, shape, side)
    if not readable.all():
        raise InputError(
            f"Expected {split.size} images in {split.name}. Received "
            f"{readable.sum()}. Start again."
        )
    parallelism.begin(keep)  # The cache is written while training starts.
    return images


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
        shape: (H, W, C), the shape of all images returned.
        side: Side of the squares, in pixels: the centre square of each image
            is resized to it, and `shape` is (side, side, C). None returns the
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

    def decode_group(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        encoded = stream.unpack(records)
        if split.size < _MANY:
            return each(encoded)
        return tf.cond(
            tf.size(encoded) == _GROUP,
            lambda: all_at_once(encoded),
            lambda: each(encoded),
        )

    # For small images, tf.data's own work for every element would take as long
    # as the decoding, so a group of images is one element. A full group is
    # decoded without a loop, which took a tenth longer. That graph has each
    # image of the group, and TensorFlow needs a second or two to prepare it:
    # fewer images are decoded sooner than that.
    groups = stream.kept(None).skip(first).batch(_GROUP)
    if stream.raises:
        decoded = map_batches(
            groups,
            decode_group,
            lambda record: decode(stream.unpack(record)),
            (np.zeros(shape, np.uint8), False),
        )
    else:
        decoded = groups.map(
            lambda records, numbers: (*decode_group(records), numbers),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return parallelism.fixed(
        decoded.rebatch(batch_size).prefetch(tf.data.AUTOTUNE)
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

    Raises:
        InputError: If a file of records is damaged.
    """
    images = empty((split.size, *shape))
    readable = np.zeros(split.size, bool)
    at_once = max(1, _COPIED_BYTES // math.prod(shape))
    batches = readable_batches(split, shape, side, batch_size=at_once)
    try:
        for batch, good, numbers in batches.as_numpy_iterator():
            if parallelism.abandoned():
                raise SystemExit
            those = slice(numbers[0], numbers[0] + len(numbers))
            images[those] = batch
            readable[those] = good
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise split.encoded_stream.refusal(error) from error
    return images, readable
