"""Data sets as splits of numbered images: `load` gives one by its name.

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

# Training and test split, where they are not "train" and "test" or else
# "validation".
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

    A split whose images share one square size of at most 2 · image_size is
    held as it is. Of other splits the centre square is held, resized to
    image_size for testing, and to 8/7 of it for training, or to the size of
    the images if they share one that is smaller.

    Args:
        name: A name of TFDS, "folder" or "digits".
        data_dir: The folder of images, or where TFDS keeps its data; None
            takes the default of TFDS.
        image_size: Side of the images that the encoder will see, in pixels. 0
            takes the images' own shorter side if they share one of at most 96
            pixels, and 224 otherwise.
        label_key: Which label to take if a TFDS data set has several.
        train_split: The training split as TFDS writes it, such as
            "train[:10%]", or the training folder; "" takes the usual one.
        test_split: The same for the test split.
        max_train_examples: Keeps a random subset of this size; 0 keeps all.
        max_test_examples: The same for the test split.
        seed: Random seed of the subsets, and of nothing else.
        memory_limit: In bytes. A larger split is streamed; if it consists of
            files, each is decoded once before, to find those that cannot be.

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
    # Not needed for a training's first steps, which its decoding would delay.
    test = test and _held(test, size, size, memory_limit, later=True)
    return ImageData(data.name, train, test, data.remarks)


def resolve_image_size(image_size: int, train: Split) -> int:
    """The side of the images that an encoder sees, in pixels.

    Args:
        image_size: Taken where it is not 0.
        train: Its images' shorter side is taken where they share it and it is
            at most 96; 224 otherwise.
    """
    if image_size:
        return image_size
    own = min(train.image_shape or (math.inf,))
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
        name: A name of TFDS, which may hold a config and a version.
        split: As TFDS writes them: "train", "test[:10%]".
        data_dir: Where TFDS keeps its data; None asks TFDS.
        label_key: Which feature holds the labels; "" finds it.
        prepared: Whether the data set has to be prepared already; one that
            is not is prepared otherwise.

    Raises:
        InputError: There is no such data set, split or label, or the data
            cannot be had.
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
    """Finds the data set; nothing is decoded yet."""
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
    """Opens a data set of TFDS; one that is not there is prepared first."""
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
    """Holds a split in memory where it fits, else leaves it a stream.

    Files that cannot be read are left out of either alike.

    Args:
        split: Any split that is not held yet, or is so from the beginning.
        size: Side of the images that the encoder sees.
        side: Side that is held of images that are not held as they are.
        memory_limit: In bytes.
        later: See `hold`.
    """
    if split.held:
        return split
    shape = split.image_shape
    if shape and shape[0] == shape[1] <= 2 * size:
        kept, side = shape, None
    else:
        side = min(side, *(shape or (side,)))
        kept = side, side
    if 3 * split.size * math.prod(kept) > memory_limit:
        good = verified(split)
    else:
        good = hold(split, side, later)
    if not good.size:
        raise InputError(
            f"Expected images in {split.name}. Received {split.size} files, "
            f"of which none can be read, such as {good.skipped[0].name}."
        )
    return good
