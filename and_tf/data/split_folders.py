"""Finds the folders of a data directory that are its splits, by their names.

It knows common names: train and test; Training and Testing; TRAIN and VALID;
seg_train, seg_test and seg_pred; train2017 and val2017; images/train. Remarks
name the folders that are not read, as a user would not notice otherwise.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from and_tf.data.walking import (
    DISK,
    Tree,
    folders_in,
    has_loose_image,
    utf8,
)
from and_tf.utils.errors import InputError

TRAIN, TEST, VALIDATION = "train", "test", "validation"
_WORDS = {
    TRAIN: ("train", "training", "trn", "trainval"),
    TEST: ("test", "testing", "tst"),
    VALIDATION: ("val", "valid", "validation", "dev", "eval", "evaluation"),
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words}
# Words that do not tell splits apart.
_FILLERS = frozenset(
    "data dataset folder image images img imgs photos pics set split".split()
)
_JOINED = re.compile(r"(train|training|test|testing|val|validation)(set|data)")
_SHOWN = 5  # The number of names in a sentence.


class SplitName(NamedTuple):
    """The split that a folder is named after.

    Attributes:
        kind: The kind of the split: `TRAIN`, `TEST` or `VALIDATION`.
        rest: The other words of the name, such as {"seg"}. All splits of a
            data set share them.
    """

    kind: str
    rest: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Layout:
    """The folders of the splits.

    Attributes:
        train: The training folder, relative to the data directory; "." is the
            data directory itself.
        test: The test folder, relative to the data directory, or None.
        remarks: Sentences that name the folders that are not read.
    """

    train: str
    test: str | None = None
    remarks: tuple[str, ...] = ()


def split_name(name: str) -> SplitName | None:
    """Parses a folder's name; returns None if it does not name a split.

    Case, digits and words such as "images" are ignored. A name with words for
    two splits, such as "train_test", does not name a split.
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    words = [part for w in words for part in _unjoined(w.lower())]
    kinds = {_KINDS[word] for word in words if word in _KINDS}
    if len(kinds) != 1:
        return None
    rest = {w for w in words if w not in _KINDS and w not in _FILLERS}
    return SplitName(kinds.pop(), frozenset(rest))


def find(
    data_dir: str,
    train_split: str = "",
    test_split: str = "",
    tree: Tree = DISK,
) -> Layout:
    """Chooses the folder of each split.

    If no name is given, a folder for training is searched, and a folder for
    testing, or else for validation, with the same other words in its name.
    Both may lie deeper, as in images/train or train/train, if each folder on
    the way holds no other images. Without a training folder, all images below
    the data directory are the training split.

    Args:
        data_dir: The data directory.
        train_split: The training folder, relative to `data_dir`; "" finds it.
        test_split: The test folder, relative to `data_dir`; "" finds it.
        tree: The tree that holds the data directory.

    Raises:
        InputError: If a given folder does not exist, or if a test folder is
            given and there is no training folder.
    """
    for name in (train_split, test_split):
        if name and not tree.is_folder(os.path.join(data_dir, name)):
            raise InputError(
                f"Expected the folder of a split in {data_dir}. Received: "
                f"{name!r}, which is not there."
            )
    if train_split:
        train = os.path.normpath(train_split)
        parent = os.path.dirname(train)
    else:
        parent = _parent(data_dir, tree)
        found = _train(folders_in(os.path.join(data_dir, parent), tree))
        if found is None:
            return _without_splits(data_dir, test_split, tree)
        train = os.path.join(parent, found)
    test = os.path.normpath(test_split) if test_split else None
    test = test or _test(data_dir, parent, train, tree)
    taken = train, test or train
    remarks = tuple(_unused(data_dir, parent, taken, tree))
    if not train_split:
        train = _innermost(data_dir, train, tree)
    if test and not test_split:
        test = _innermost(data_dir, test, tree)
    return Layout(train, test, remarks)


def _unjoined(word: str) -> tuple[str, ...]:
    """Splits "trainset" into "train" and "set"; other words stay whole."""
    found = _JOINED.fullmatch(word)
    return found.groups() if found else (word,)


def _parent(data_dir: str, tree: Tree) -> str:
    """Finds the folder that holds the splits, relative to the data directory.

    It is the data directory itself, "", or a folder below it, if each folder
    on the way down holds images only in the next one. If there is no training
    folder, it is "".
    """
    parent = ""
    while True:
        place = os.path.join(data_dir, parent)
        if _train(folders_in(place, tree)) is not None:
            return parent
        inner = _only_folder(place, tree)
        if inner is None:
            return ""
        parent = os.path.join(parent, inner)


def _train(names: list[str]) -> str | None:
    """Returns the name of the training folder among others, or None.

    A folder that is called "train" is always taken. Other names, such as
    "Train" or "freight_train", may be those of classes. They are taken only if
    there is a folder for testing with the same other words in its name, or no
    other folder at all.
    """
    read = {name: split_name(name) for name in names}
    others = {s.rest for s in read.values() if s and s.kind != TRAIN}
    found = {
        name: said.rest
        for name, said in read.items()
        if said and said.kind == TRAIN
        if name == TRAIN or said.rest in others or (names == [name])
    }
    if not found:
        return None
    # The name with the fewest other words, independent of the folders' order.
    return min(found, key=lambda n: (n != TRAIN, len(found[n]), len(n), n))


def _test(data_dir: str, parent: str, train: str, tree: Tree) -> str | None:
    """Returns the folder of the test split, or of validation, or None."""
    wanted = split_name(os.path.basename(train))
    rest = wanted.rest if wanted else frozenset()
    names = folders_in(os.path.join(data_dir, parent), tree)
    read = {os.path.join(parent, name): split_name(name) for name in names}
    for kind in (TEST, VALIDATION):
        found = [p for p, s in read.items() if s == (kind, rest) and p != train]
        if found:
            return min(found, key=lambda path: (len(path), path))
    return None


def _innermost(data_dir: str, split: str, tree: Tree) -> str:
    """Descends while a split only holds a folder of its kind: train/train."""
    while True:
        place = os.path.join(data_dir, split)
        inner = _only_folder(place, tree) or ""
        own = split_name(os.path.basename(split))
        said = split_name(inner)
        if not said or not own or said.kind != own.kind:
            return split
        split = os.path.join(split, inner)


def _only_folder(place: str, tree: Tree) -> str | None:
    """Returns the only sub-folder with images, or None if there is none.

    The result is also None if images lie directly in the folder.
    """
    names = [
        name
        for name in folders_in(place, tree)
        if tree.holds_image(os.path.join(place, name))
    ]
    if len(names) != 1 or has_loose_image(place, tree):
        return None
    return names[0]


def _without_splits(data_dir: str, test_split: str, tree: Tree) -> Layout:
    """Takes all images for training, and names folders that look like splits.

    Raises:
        InputError: If a test folder is given, as it needs a training folder.
    """
    if test_split:
        raise InputError(
            f"Expected a folder train in {data_dir} beside {test_split}. "
            "Received none. Name it with --train_split."
        )
    alike = [name for name in folders_in(data_dir, tree) if split_name(name)]
    if not alike:
        return Layout(".")
    remark = (
        f"{_listed(alike)}: called like splits, but without a training folder "
        "beside them; taken as classes. Name splits with --train_split and "
        "--test_split."
    )
    return Layout(".", remarks=(remark,))


def _unused(
    data_dir: str, parent: str, taken: tuple[str, str], tree: Tree
) -> Iterator[str]:
    """Yields sentences about images beside the splits that are not read."""
    if "." in taken:
        return
    place = os.path.join(data_dir, parent)
    paths = [os.path.join(parent, name) for name in folders_in(place, tree)]
    unused = [
        path
        for path in paths
        if not any(f"{t}{os.sep}".startswith(path + os.sep) for t in taken)
        and tree.holds_image(os.path.join(data_dir, path))
    ]
    if unused:
        yield (
            f"{_listed(unused)}: beside the splits, not read. Name other "
            "splits with --train_split and --test_split."
        )
    if has_loose_image(place, tree):
        yield f"images directly in {utf8(place)}: beside the splits, not read."


def _listed(names: list[str]) -> str:
    more = ", …" if len(names) > _SHOWN else ""
    return ", ".join(f"{utf8(name)}/" for name in names[:_SHOWN]) + more
