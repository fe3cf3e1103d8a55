"""Loads data sets, by their names, as splits of numbered images.

Examples:
    >>> import and_tf
    >>> digits = and_tf.data.load("digits", max_train_examples=100)
    >>> digits.train.size, digits.train.image_shape
    (100, (8, 8))
    >>> digits.train.labels.shape
    (100,)
"""

from __future__ import annotations

import dataclasses
import importlib
import math

from and_tf.data import from_store, pixel_format
from and_tf.data.in_memory import hold
from and_tf.data.labels import renumbered
from and_tf.data.named import read_tfds_split
from and_tf.data.pixel_format import PixelFormat
from and_tf.data.readers.reader import Reader
from and_tf.data.request import Request
from and_tf.data.split import ImageData, Split, Stream, subset
from and_tf.data.verifying import verified
from and_tf.data.walking import summaries
from and_tf.utils.dataset_names import kind_of
from and_tf.utils.errors import InputError

__all__ = [
    "ImageData",
    "PixelFormat",
    "Reader",
    "Request",
    "Split",
    "find",
    "load",
    "read_tfds_split",
    "resolve_image_size",
]

MEMORY_LIMIT = 4 * 2**30  # Bytes.

_LARGEST_OWN_SIZE = 96
_USUAL_SIZE = 224


def load(
    name: str,
    data_dir: str | None = None,
    *,
    image_size: int = 0,
    label_key: str = "",
    image_key: str = "",
    split_key: str = "",
    train_split: str = "",
    test_split: str = "",
    max_train_examples: int = 0,
    max_test_examples: int = 0,
    seed: int = 0,
    memory_limit: int = MEMORY_LIMIT,
    channels: int = 3,
    pixel_range: str = "",
    form: PixelFormat | None = None,
) -> ImageData:
    """Loads a data set; a split that fits is decoded once and held in memory.

    If all images of a split are squares of the same size, at most
    2 · image_size, they are held as they are. Of other images the centre
    square is held. It is resized to image_size for testing and to 8/7 of it
    for training, or to the size that the images share if that is smaller.

    Args:
        name: The name of a TFDS data set, a kind of files such as "folder" or
            "manifest", "huggingface:NAME", or "module:function".
        data_dir: The file, folder or pattern of images, or its URL in an
            object store, or the directory in which TFDS or `datasets` keeps
            its data; None takes its default.
        image_size: Side of the images that the encoder will see, in pixels. 0
            takes the images' own shorter side if they share one of at most 96
            pixels, and 224 otherwise.
        label_key: The feature, column or array of labels; "" finds it.
        image_key: The same for images, or for their paths.
        split_key: The same for splits, which a table may have as a column.
        train_split: The training split in the notation of TFDS, such as
            "train[:10%]", or the training folder, or the name that its kind
            has for it; "" takes the usual one.
        test_split: The test split, in the same notation as `train_split`.
        max_train_examples: The size of the random subset of the training
            split to keep; 0 keeps all images.
        max_test_examples: The same number for the test split.
        seed: Random seed of the subsets, and of nothing else.
        memory_limit: The largest size of a split in memory, in bytes. A larger
            split is streamed; each image is decoded once in advance to find
            those that cannot be read.
        channels: C: 3 for RGB, 1 for grey, 4 for RGB and opacity, others for
            bands of TIFFs or arrays.
        pixel_range: What becomes 0 and 255, see `pixel_format.resolve`.
        form: The channels with a range that is known already, in the place of
            `channels` and `pixel_range`.

    Returns:
        The training split and, if there is one, the test split.

    Raises:
        InputError: If there is no such data set, split or label, or the data
            cannot be found or read.
    """
    data = _found(
        Request(
            dataset=name,
            data_dir=data_dir,
            label_key=label_key,
            image_key=image_key,
            split_key=split_key,
            train_split=train_split,
            test_split=test_split,
            form=form or pixel_format.provisional(channels, pixel_range),
        ),
        None if form else pixel_range,
    )
    train = subset(data.train, max_train_examples, seed)
    size = resolve_image_size(image_size, train)
    train = _held(train, size, round(size * 8 / 7), memory_limit)
    test = data.test and subset(data.test, max_test_examples, seed)
    # The test split is decoded later, as the first steps of a training do not
    # need it and would be delayed.
    test = test and _held(test, size, size, memory_limit, later=True)
    return ImageData(data.name, train, test, data.remarks, data.form)


def resolve_image_size(image_size: int, train: Split) -> int:
    """Returns the side of the images that an encoder sees, in pixels.

    Args:
        image_size: The side if it is given; 0 derives it from `train`.
        train: The training split. The side is the shorter side of its images
            if they share one of at most 96 pixels, and 224 otherwise.
    """
    if image_size:
        return image_size
    own = min(train.image_shape or (_USUAL_SIZE,))
    return own if own <= _LARGEST_OWN_SIZE else _USUAL_SIZE


def _found(request: Request, pixel_range: str | None) -> ImageData:
    """Finds a data set, and the range of its values.

    Args:
        request: What the user asks for.
        pixel_range: The range as the user states it; None if that of the
            request is the one.

    Raises:
        InputError: If there is no such data set, or no such range.
    """
    data = find(request)
    if pixel_range is None:
        return data
    stream = data.train.stream
    form = pixel_format.resolve(
        request.form.channels,
        pixel_range,
        data.train.size,
        stream.values if isinstance(stream, Stream) else None,
    )
    if form == request.form:
        return data
    return find(dataclasses.replace(request, form=form))


def find(request: Request) -> ImageData:
    """Finds a data set by its kind; nothing is decoded yet.

    Args:
        request: What the user asks for.

    Raises:
        InputError: If there is no such data set, or a flag is given that its
            kind does not read.
    """
    kind = kind_of(request.dataset)
    request.check(kind)
    loader = importlib.import_module(kind.module)
    return renumbered(loader.load(from_store.brought(request, kind)))


def _held(
    split: Split, size: int, side: int, memory_limit: int, later: bool = False
) -> Split:
    """Holds a split in memory if it fits, and leaves it a stream otherwise.

    Images that cannot be read are left out in both cases.

    Args:
        split: Any split. One that is in memory already is returned as it is.
        size: Side of the images that the encoder sees, in pixels.
        side: Side of the centre squares, in pixels, to which images are
            resized if they are not held as they are.
        memory_limit: The largest size of a split in memory, in bytes.
        later: True decodes images when they are first needed, see `hold`.

    Raises:
        InputError: If no image can be read.
    """
    if split.held:
        return split
    shape = split.image_shape
    resized: int | None = None
    if shape and shape[0] == shape[1] <= 2 * size:
        kept = shape
    else:
        resized = min(side, *(shape or (side,)))
        kept = resized, resized
    if split.channels * split.size * math.prod(kept) > memory_limit:
        good = verified(split)
    else:
        good = hold(split, resized, later)
    if not good.size:
        kind = "records" if split.file_names is None else "files"
        raise InputError(
            f"Expected images in {split.name}. Received {split.size} {kind}, "
            f"of which none can be read: {'; '.join(summaries(good.skipped))}."
            f"{pixel_format.advice(good.skipped)}"
        )
    return good
