"""Says in which split and class folder each image of a folder lies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from and_tf.data import split_folders
from and_tf.data.walking import composed


class Place(NamedTuple):
    """The split and the folder of an image.

    Attributes:
        split: "train", "test" or "validation", if its first folder is named
            like a split and another one is for training; else "".
        folder: The folder that may be its class: the first one below that of
            the split; "" for none.
    """

    split: str
    folder: str


def of_files(files: Sequence[str]) -> list[Place]:
    """Returns the place of each file.

    Args:
        files: Paths below the folder of all images.
    """
    parts = [file.split(os.sep) for file in files]
    kinds = {own[0]: _kind(own[0]) for own in parts if own[1:]}
    if split_folders.TRAIN not in kinds.values():
        kinds = {}
    found = []
    for own in parts:
        split = kinds.get(own[0], "")
        inner = own[1:] if split else own
        found.append(Place(split, composed(inner[0]) if inner[1:] else ""))
    return found


def _kind(folder: str) -> str:
    named = split_folders.split_name(folder)
    return named.kind if named else ""
