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

import math
from typing import TYPE_CHECKING

from and_tf.data.in_memory import hold
from and_tf.data.labels import renumbered
from and_tf.data.split import ImageData, Split, subset
from and_tf.data.verifying import verified
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

__all__ = [
    "ImageData",
    "Split",
    "load",
    "read_tfds_split",
    "resolve_image_size",
]

MEMORY_LIMIT = 4 * 2**30  # Bytes.

# The training and the test split of data sets for which they are not "train"
# and "test", or "train" and "validation" where there is no "test".
_SPLITS = {
    "imagenet2012": ("train", "validation"),  # Its test split has no labels.
    "stl10": ("train+unlabelled", "test"),
}
_LARGEST_OWN_SIZE = 96
_USUAL_SIZE = 224


def load(
    name: str,
    data_dir: str | None = None,
    *,
    image_size: int = 0,
    label_key: str = "",
    train_split: str = "",
    test_split: str = "",
    max_train_examples: int = 0,
    max_test_examples: int = 0,
    seed: int = 0,
    memory_limit: int = MEMORY_LIMIT,
) -> ImageData:
    """Loads a data set; a split that fits is decoded once and held in memory.

    If all images of a split are squares of the same size, at most
    2 · image_size, they are held as they are. Of other images the centre
    square is held. It is resized to image_size for testing and to 8/7 of it
    for training, or to the size that the images share if that is smaller.

    Args:
        name: The name of a TFDS data set, or "folder" or "digits".
        data_dir: The folder of images, or the directory in which TFDS keeps
            its data; None takes the default of TFDS.
        image_size: Side of the images that the encoder will see, in pixels. 0
            takes the images' own shorter side if they share one of at most 96
            pixels, and 224 otherwise.
        label_key: The name of the label to use if a TFDS data set has several.
        train_split: The training split in the notation of TFDS, such as
            "train[:10%]", or the training folder; "" takes the usual one.
        test_split: The test split, in the same notation as `train_split`.
        max_train_examples: The size of the random subset of the training
            split to keep; 0 keeps all images.
        max_test_examples: The same number for the test split.
        seed: Random seed of the subsets, and of nothing else.
        memory_limit: The largest size of a split in memory, in bytes. A larger
            split is streamed; each image is decoded once in advance to find
            those that cannot be read.

    Returns:
        The training split and, if there is one, the test split.

    Raises:
        InputError: If there is no such data set, split or label, or the data
            cannot be found or read.
    """
    data = _read(name, data_dir, label_key, train_split, test_split)
    data = renumbered(data)
    train = subset(data.train, max_train_examples, seed)
    size = resolve_image_size(image_size, train)
    train = _held(train, size, round(size * 8 / 7), memory_limit)
    test = data.test and subset(data.test, max_test_examples, seed)
    # The test split is decoded later, as the first steps of a training do not
    # need it and would be delayed.
    test = test and _held(test, size, size, memory_limit, later=True)
    return ImageData(data.name, train, test, data.remarks)


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


def read_tfds_split(
    name: str,
    split: str,
    data_dir: str | None = None,
    label_key: str = "",
    *,
    prepared: bool = False,
) -> Split:
    """Makes a streamed split of a data set of TFDS; nothing is decoded yet.

    Args:
        name: The name of a TFDS data set, with or without a config and a
            version.
        split: The split in the notation of TFDS, such as "test[:10%]".
        data_dir: The directory in which TFDS keeps its data; None takes the
            default of TFDS.
        label_key: The name of the feature that holds the labels; "" finds it.
        prepared: True requires that the data set is prepared already. False
            prepares it if it is not.

    Raises:
        InputError: If there is no such data set, split or label, or the data
            cannot be obtained.
    """
    from and_tf.data import from_tfds

    builder = _open_tfds(name, data_dir, prepared)
    return from_tfds.read(builder, split, label_key)


def _read(
    name: str,
    data_dir: str | None,
    label_key: str,
    train_split: str,
    test_split: str,
) -> ImageData:
    """Finds the data set of this name; nothing is decoded yet."""
    from and_tf.data import digits, folder

    if name == "folder" and not label_key:
        return folder.read(data_dir, train_split, test_split)
    if name == "digits" and not (label_key or train_split or test_split):
        return digits.read()
    if name in ("folder", "digits"):
        raise InputError(
            f"Expected --dataset={name} without --label_key"
            f"{', as sub-folders are its labels' if name == 'folder' else ''}"
            f"{', --train_split, --test_split' if name == 'digits' else ''}. "
            "Received one of them. Leave it out."
        )
    return _read_tfds(name, data_dir, label_key, train_split, test_split)


def _read_tfds(
    name: str,
    data_dir: str | None,
    label_key: str,
    train_split: str,
    test_split: str,
) -> ImageData:
    from and_tf.data import from_tfds

    builder = _open_tfds(name, data_dir)
    usual_train, usual_test = _SPLITS.get(builder.name, ("train", ""))
    if not test_split:
        found = [s for s in ("test", "validation") if s in builder.info.splits]
        test_split = usual_test or (found[0] if found else "")
    train = from_tfds.read(builder, train_split or usual_train, label_key)
    test = None
    if test_split:
        test = from_tfds.read(builder, test_split, label_key)
    return ImageData(name, train, test)


def _open_tfds(
    name: str, data_dir: str | None, prepared: bool = False
) -> tfds.core.DatasetBuilder:
    """Opens a data set of TFDS, and prepares it first if necessary."""
    from and_tf.data import cifar10
    from and_tf.data.builder import download, open_builder

    prepare = cifar10.prepare if name == "cifar10" else download
    if prepared:
        prepare = _refuse
    return open_builder(name, data_dir, prepare)


def _refuse(builder: tfds.core.DatasetBuilder) -> None:
    raise InputError(
        f"Expected {builder.name} prepared in {builder.data_dir}. Received: "
        "nothing there. Name its directory with --data_dir."
    )


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
    if 3 * split.size * math.prod(kept) > memory_limit:
        good = verified(split)
    else:
        good = hold(split, resized, later)
    if not good.size:
        kind = "records" if split.file_names is None else "files"
        raise InputError(
            f"Expected images in {split.name}. Received {split.size} {kind}, "
            f"of which none can be read, such as {good.skipped[0].name}."
        )
    return good
