"""Chooses the splits of a data set among readers, and numbers their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from and_tf.data import split_folders
from and_tf.data.readers import classes
from and_tf.data.readers.reader import Reader, split_of
from and_tf.data.request import Request
from and_tf.data.split import ImageData
from and_tf.data.split_folders import TEST, TRAIN, VALIDATION
from and_tf.data.walking import utf8
from and_tf.utils.errors import InputError

_SHOWN = 8  # The number of names in a sentence.
Open = Callable[[], Reader]


def image_data(
    request: Request,
    readers: Mapping[str, Open],
    remarks: Iterable[str] = (),
) -> ImageData:
    """Makes the splits of a data set.

    Args:
        request: What the user asks for.
        readers: Functions that open the reader of each split, by its name.
            Only those that are used are called.
        remarks: Sentences that a user should read before training begins.

    Raises:
        InputError: If there is no such split, or images or labels cannot be
            used.
    """
    names = list(readers)
    train, test = choose(names, request)
    taken = [train] if test is None else [train, test]
    opened = [readers[name]() for name in taken]
    labels, class_names = _labels(opened, request.dataset)
    splits = [
        split_of(
            f"{request.dataset}/{name or TRAIN}",
            reader,
            own,
            class_names,
            request.form,
        )
        for name, reader, own in zip(taken, opened, labels, strict=True)
    ]
    unused = [name or "(no name)" for name in names if name not in taken]
    more = [
        f"{listed(unused)}: other splits, not read. Name splits with "
        "--train_split and --test_split."
    ]
    return ImageData(
        request.dataset,
        splits[0],
        splits[1] if splits[1:] else None,
        (*remarks, *(more if unused else ())),
        request.form,
    )


def choose(names: list[str], request: Request) -> tuple[str, str | None]:
    """Chooses the training split and the test split.

    A split is found by the usual names, such as train, and test or else
    validation. A split that is alone is the training split.

    Args:
        names: The names of all splits.
        request: What the user asks for.

    Returns:
        The two names; None if there is no test split.

    Raises:
        InputError: If a split that is asked for is not there, or no name is
            that of a training split.
    """
    for flag in ("train_split", "test_split"):
        wanted = getattr(request, flag)
        if wanted and wanted not in names:
            raise InputError(
                f"Expected --{flag} to be a split of {request.dataset}: "
                f"{listed(names)}. Received: {wanted!r}."
            )
    train = request.train_split or _of_kind(names, TRAIN)
    if train is None:
        train = names[0] if len(names) == 1 else None
    if train is None:
        raise InputError(
            f"Expected a training split of {request.dataset}. Received: "
            f"{listed(names)}. Name it with --train_split."
        )
    others = [name for name in names if name != train]
    test = request.test_split or None
    for kind in (TEST, VALIDATION):
        test = test or _of_kind(others, kind)
    return train, test


def kind_of(name: str) -> str:
    """Returns the kind of split that a text names, or "" if it names none."""
    said = split_folders.split_name(name)
    return said.kind if said else ""


def listed(names: Iterable[str]) -> str:
    """Lists names in a sentence, the first of many."""
    shown = [utf8(name) for name in names]
    more = ", …" if len(shown) > _SHOWN else ""
    return (", ".join(shown[:_SHOWN]) + more) or "none"


def _of_kind(names: list[str], kind: str) -> str | None:
    """Returns the shortest name of a kind of splits; None if there is none."""
    found = [name for name in names if kind_of(name) == kind]
    return min(found, key=lambda n: (n != kind, len(n), n), default=None)


def _labels(
    readers: list[Reader], name: str
) -> tuple[list[np.ndarray | None], tuple[str, ...] | None]:
    """Numbers the labels of all splits together.

    Raises:
        InputError: If they cannot be labels, or are not one for each image.
    """
    columns = [reader.labels for reader in readers]
    for reader, labels in zip(readers, columns, strict=True):
        if labels is not None and len(labels) != len(reader.names):
            raise InputError(
                f"Expected a label for each of {len(reader.names):,} images "
                f"of {name}, None where there is none. Received: "
                f"{len(labels):,} labels."
            )
    found, names = classes.numbered(columns, name)
    named = [tuple(r.class_names) for r in readers if r.class_names]
    if not named:
        return found, names
    most = max((int(one.max()) for one in found if one is not None), default=-1)
    if names is not None or len({*named}) > 1 or most >= len(named[0]):
        raise InputError(
            f"Expected labels of {name} as numbers of its {len(named[0])} "
            "class names, from 0, the same in all splits. Received: "
            f"{'texts' if names is not None else f'labels up to {most}'}."
        )
    return found, tuple(map(utf8, named[0]))
