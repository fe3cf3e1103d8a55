"""Converts class labels to one form: int64 numbers from 0 to C-1.

All code that counts, predicts or learns classes takes labels in this form.
Some data sets number their classes in another way, such as 1 to 3, or by the
years in which photographs were taken. These numbers are sorted and become
0..C-1, and the old numbers become the names of the classes.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from and_tf.data.split import ImageData, Split
from and_tf.utils.errors import InputError


def as_labels(labels: ArrayLike) -> np.ndarray:
    """Converts labels to whole numbers, one for each sample.

    Args:
        labels: A list, an array or an eager tensor [N] of whole numbers,
            −1 where a label is unknown, or of strings. Strings are numbered
            in alphabetical order.

    Returns:
        int64 [N].

    Raises:
        InputError: If there is not one whole number or string per sample.
    """
    try:
        array = np.asarray(labels)
    except (ValueError, TypeError) as error:
        raise _refusal(f"{type(labels).__name__}, {error}") from error
    if array.ndim != 1:
        raise _refusal(f"{array.dtype} {list(array.shape)}")
    if array.dtype.kind in "iub":
        return array.astype(np.int64)
    if _are_strings(array):
        return np.unique(array.astype(str), return_inverse=True)[1]
    raise _refusal(f"{array.dtype} {list(array.shape)}")


def check_count(labels: np.ndarray, num_examples: int) -> None:
    """Checks that there is a label for each sample.

    Args:
        labels: int64 [N], see `as_labels`.
        num_examples: The number N of training samples of the model.

    Raises:
        InputError: If the number of labels is not `num_examples`.
    """
    if len(labels) != num_examples:
        raise InputError(
            f"Expected labels of all {num_examples} training images, in the "
            f"order of their sample numbers. Received: {len(labels)} labels."
        )


def _are_strings(array: np.ndarray) -> bool:
    """Returns whether all elements are strings, even as Python objects."""
    if array.dtype.kind == "O":
        return all(isinstance(label, str) for label in array)
    return array.dtype.kind == "U"


def _refusal(received: str) -> InputError:
    return InputError(
        "Expected labels as whole numbers or strings, one for each training "
        f"image [N], −1 where unknown. Received: {received}."
    )


def renumbered(data: ImageData) -> ImageData:
    """Numbers the classes of all splits together from 0, without gaps.

    Class names other than the numbers themselves are a data set's own list of
    its classes. Such a data set is returned as it is. For other data sets, all
    labels are read, which takes a while with many record files.

    Args:
        data: Any data set whose images are not held in memory yet, or one
            whose labels have no gaps.

    Returns:
        The same images. Labels and class names change only if there are gaps.
        The label -1, for images without a label, stays.
    """
    splits = [split for split in (data.train, data.test) if split is not None]
    if any(_is_named(split) for split in splits):
        return data
    labels = [s.labels for s in splits if s.labels is not None]
    if not labels:
        return data
    values = np.unique(np.concatenate(labels))
    values = values[values >= 0]
    if np.array_equal(values, np.arange(len(values))):
        return data
    names = tuple(map(str, values.tolist()))
    train, *test = (_with_labels(s, values, names) for s in splits)
    return dataclasses.replace(
        data, train=train, test=test[0] if test else None
    )


def _is_named(split: Split) -> bool:
    """Returns whether the classes have names that are not their own numbers."""
    names = split.class_names
    return names is not None and names != tuple(map(str, range(len(names))))


def _with_labels(
    split: Split, values: np.ndarray, names: tuple[str, ...]
) -> Split:
    """Replaces each label of a split by its index in `values`.

    Args:
        split: Any split.
        values: The labels that occur, ascending.
        names: The name of each class, in the same order.
    """
    if split.labels is None:
        return split
    places = np.searchsorted(values, split.labels)
    labels = np.where(split.labels < 0, -1, places)
    return dataclasses.replace(split, labels=labels, class_names=names)
