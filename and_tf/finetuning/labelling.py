"""Chooses the labelled images to learn from, to choose by, and to test on."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence

import numpy as np

from and_tf.data.split import ImageData, Split, take
from and_tf.data.walking import utf8
from and_tf.finetuning.config import FinetuneConfig
from and_tf.utils import text_tables
from and_tf.utils.errors import InputError

COLUMNS = ("file", "label")
Names = list[str | None]  # The class of each image; None if it is unknown.


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """The labelled images of a fine-tuning, three parts without an overlap.

    Their classes are numbered from 0 to C − 1.

    Attributes:
        learn: The training images that are learnt from.
        held_out: The training images that choose epoch and temperature.
        test: The test images of known classes; None if there are none.
        class_names: The names of the C classes.
        dataset_labels: The data set's own number of each class, or None if
            the data set does not have these classes.
        available: The number of training images with a label.
        left_out: The number of test images of classes without a training
            image.
        source: Where the labels come from, for people.
        digest: A hash of the parts and their labels.
    """

    learn: Split
    held_out: Split
    test: Split | None
    class_names: tuple[str, ...]
    dataset_labels: list[int] | None
    available: int
    left_out: int
    source: str
    digest: str

    @property
    def used(self) -> int:
        """The number of labels that are used."""
        return self.learn.size + self.held_out.size


def choose(images: ImageData, config: FinetuneConfig) -> Labelled:
    """Reads the labels, draws those that are used, and splits them.

    Raises:
        InputError: If there are no labels of two classes, too few to hold one
            out, or a table of labels that does not fit the images.
    """
    train, test, source = _names(images, config.labels)
    classes = _classes(images, {name for name in train if name is not None})
    number_of = {name: number for number, name in enumerate(classes)}
    labels = _numbers(train, number_of)
    if len(classes) < 2:
        raise InputError(
            "Expected labels of 2 or more classes in the training images, to "
            f"learn from. Received: {len(classes)} in {source}. Give --labels, "
            "a table of labels, or use a run whose images have some."
        )
    chosen = draw(labels, config.labelled_fraction, config.seed)
    held = hold_out(labels[chosen], config.held_out, config.seed)
    if not held.any():
        raise InputError(
            "Expected two or more labels of some class, as one of them is "
            f"held out to choose the epoch. Received: {len(chosen)} labels of "
            f"{len(classes)} classes. Raise --labelled_fraction, or give more "
            "labels."
        )
    asked = None if images.test is None else _numbers(test, number_of)
    whole = _named(images.train, labels, classes)
    return Labelled(
        take(whole, chosen[~held]),
        take(whole, chosen[held]),
        _test_part(images.test, asked, classes),
        classes,
        _dataset_labels(images, classes),
        int((labels >= 0).sum()),
        0
        if asked is None
        else int((asked < 0).sum()) - sum(name is None for name in test),
        source,
        hashlib.sha256(
            repr(
                (classes, chosen.tolist(), labels[chosen].tolist(), held.sum())
            ).encode()
        ).hexdigest(),
    )


def draw(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Draws a share of the labelled images of each class, at least one.

    With the same seed, a smaller share is part of a larger one.

    Args:
        labels: int64 [N], −1 where unknown.
        fraction: The share of each class, rounded to whole images.
        seed: Random seed.

    Returns:
        int64 [n], ascending: the numbers of the images.
    """
    rng = np.random.default_rng((seed, 1))
    places = rng.permutation(len(labels))
    parts = []
    for label in np.unique(labels[labels >= 0]):
        of_class = places[labels[places] == label]
        count = max(1, round(fraction * len(of_class)))
        parts.append(of_class[:count])
    return np.sort(np.concatenate(parts))


def hold_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draws the images of each class that nothing is learnt from.

    Of a class of two or more images, at least one is held out, and at least
    one is not. An image that is alone in its class is learnt from.

    Args:
        labels: int64 [n], none unknown.
        share: The share of each class, rounded to whole images.
        seed: Random seed.

    Returns:
        bool [n], True for images that are held out.
    """
    rng = np.random.default_rng((seed, 2))
    places = rng.permutation(len(labels))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_class = places[labels[places] == label]
        count = min(max(1, round(share * len(of_class))), len(of_class) - 1)
        held[of_class[:count]] = True
    return held


def read_labels(path: str, *, blanks: bool = False) -> dict[str, str]:
    """Reads a CSV file with the columns file and label.

    Args:
        path: The file.
        blanks: Whether files without a label are passed over.

    Returns:
        The label of each file, by its normalised path.

    Raises:
        InputError: If the file cannot be read, a row lacks one of the two, or
            two rows contradict each other.
    """
    found = text_tables.read_mapping(path, COLUMNS, "labels", blanks=blanks)
    return {os.path.normpath(name): label for name, label in found.items()}


def _names(images: ImageData, path: str) -> tuple[Names, Names, str]:
    """Returns the class names of the training and test images, and a source.

    Test images have the data set's labels, unless the table names some.
    """
    train, test = images.train, images.test
    own = [] if test is None else _own_names(test)
    if not path:
        return _own_names(train), own, f"{train.name}"
    table = read_labels(path)
    ids = _ids(train)
    of_test = []
    if test is not None and test.file_names is not None:
        of_test = _ids(test)
    unknown = [name for name in table if name not in {*ids, *of_test}]
    if unknown:
        raise InputError(
            f"Expected names of images of {images.name} in {path}, such as "
            f"{ids[0]!r}. Received: {len(unknown):,} others, such as "
            f"{unknown[0]!r}."
        )
    if any(name in table for name in of_test):
        own = [table.get(name) for name in of_test]
    return [table.get(name) for name in ids], own, path


def _ids(split: Split) -> list[str]:
    """Returns what a table names the images by, see --labels."""
    if split.file_names is not None:
        return [utf8(name) for name in split.file_names]
    return list(map(str, range(split.size)))


def _own_names(split: Split) -> Names:
    """Returns the data set's own class of each image."""
    labels, names = split.labels, split.class_names
    if labels is None:
        return [None] * split.size
    return [
        None if n < 0 else names[n] if names else str(n)
        for n in labels.tolist()
    ]


def _known(images: ImageData) -> list[str]:
    """Returns the classes of the data set by number; empty if it has none."""
    splits = [s for s in (images.train, images.test) if s and s.has_labels]
    for split in splits:
        if split.class_names:
            return list(split.class_names)
    most = max((int(split.labels.max()) for split in splits), default=-1)
    return list(map(str, range(most + 1)))


def _classes(images: ImageData, found: set[str]) -> tuple[str, ...]:
    """Orders the classes that occur: as the data set does, or by name.

    Raises:
        InputError: If some are classes of the data set and others are not.
    """
    known = _known(images)
    foreign = sorted(found - {*known})
    if not foreign:
        return tuple(name for name in known if name in found)
    if len(foreign) < len(found):
        raise InputError(
            f"Expected the classes of {images.name} as labels, or none of "
            f"them. Received: {foreign[0]!r}, which is none of "
            f"{', '.join(known[:12])}{', …' if known[12:] else ''}."
        )
    whole = all(name.isdecimal() for name in foreign)
    return tuple(sorted(foreign, key=lambda n: (int(n) if whole else 0, n)))


def _dataset_labels(
    images: ImageData, classes: Sequence[str]
) -> list[int] | None:
    known = _known(images)
    if not {*classes} <= {*known}:
        return None
    return [known.index(name) for name in classes]


def _numbers(names: Names, number_of: dict[str, int]) -> np.ndarray:
    """Numbers classes, int64 [N]; −1 for none and for others."""
    numbers = [-1 if n is None else number_of.get(n, -1) for n in names]
    return np.array(numbers, np.int64)


def _named(split: Split, labels: np.ndarray, classes: Sequence[str]) -> Split:
    return dataclasses.replace(split, labels=labels, class_names=tuple(classes))


def _test_part(
    split: Split | None, labels: np.ndarray | None, classes: Sequence[str]
) -> Split | None:
    """Returns the test images of known classes, or None if there are none."""
    if split is None or labels is None or not (labels >= 0).any():
        return None
    return take(_named(split, labels, classes), np.flatnonzero(labels >= 0))
