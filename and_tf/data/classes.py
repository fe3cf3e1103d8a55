"""Numbers the classes that occur, whatever numbers a data set gives them.

Everything that counts classes, votes on them or learns them takes labels as
0..C-1. Data sets of numbers alone have others, such as 1..3, or the years in
which photographs were taken: these are sorted and become 0..C-1, and the old
numbers become the names of the classes.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from and_tf.data.split import ImageData, Split


def renumbered(data: ImageData) -> ImageData:
    """Numbers the classes of all splits together from 0, without gaps.

    Names that say more than the numbers are a data set's own list of its
    classes, and are left as they are. To know which numbers occur, all labels
    are read, which of many record files takes a while.

    Args:
        data: Any data set; nothing is held of it yet, or it has all numbers.

    Returns:
        The same images; labels and names differ only where numbers are
        missing. -1, for unlabelled, stays.
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
    """The split with the place of each label among `values` as its label."""
    if split.labels is None:
        return split
    places = np.searchsorted(values, split.labels)
    labels = np.where(split.labels < 0, -1, places)
    return dataclasses.replace(split, labels=labels, class_names=names)
