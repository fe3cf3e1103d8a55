"""Finds files that each hold many images, and the split that each is of."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence

from and_tf.data.readers import opening
from and_tf.data.readers.splits import kind_of
from and_tf.data.request import Request
from and_tf.data.walking import utf8
from and_tf.utils.dataset_names import KINDS
from and_tf.utils.errors import InputError


class Shards(dict[str, list[str]]):
    """The files of each split, by the split's name; "" is none of these.

    Attributes:
        root: The directory that names of files are relative to.
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = root

    def names(self, split: str) -> list[str]:
        """Returns the path of each file of a split, relative to `root`."""
        return [
            utf8(os.path.relpath(path, self.root).replace(os.sep, "/"))
            for path in self[split]
        ]


def find(request: Request, endings: Sequence[str]) -> Shards:
    """Finds the files, and sorts them by the splits that their names tell.

    A file is of a split by a word of its name, as in train-00000-of-00010, or
    else of its directory. --train_split and --test_split may be such a word,
    or a pattern of file names.

    Args:
        request: What the user asks for. Its `data_dir` is a file, a directory
            or a pattern, see `opening.expand`.
        endings: A part of the name by which files in a directory are known.

    Raises:
        InputError: If there is no such file.
    """
    place, root = request.place, ""
    if os.path.isdir(place):
        root = place
        files = [
            path
            for path in opening.below(place)
            if any(e in os.path.basename(path).lower() for e in endings)
        ]
    elif opening.is_file(place):
        root, files = os.path.dirname(place), [place]
    else:
        files = opening.expand(place) if opening.has_magic(place) else []
        root = os.path.dirname(re.split(r"[*?[{]", place)[0])
    if not files:
        what = KINDS[request.dataset].data_dir
        raise InputError(
            f"Expected --data_dir with --dataset={request.dataset}: {what}. "
            f"Received: {utf8(place)}, where there are no files named "
            f"{' or '.join(f'*{ending}*' for ending in endings)}."
        )
    found = Shards(root or ".")
    for wanted in (request.train_split, request.test_split):
        if wanted:
            found[wanted] = _matching(files, wanted, root)
    taken = {path for paths in found.values() for path in paths}
    for path in files:
        if path not in taken:
            relative = os.path.relpath(path, root or ".")
            folder, name = os.path.split(relative)
            kind = kind_of(name) or kind_of(os.path.basename(folder))
            if not kind or kind not in (
                request.train_split,
                request.test_split,
            ):
                found.setdefault(kind, []).append(path)
    return found


def _matching(files: Sequence[str], wanted: str, root: str) -> list[str]:
    """Returns the files that a split's name or pattern stands for.

    Raises:
        InputError: If there is none.
    """
    patterns = opening.braces(wanted)
    found = []
    for path in files:
        relative = os.path.relpath(path, root or ".")
        words = re.split(r"[^A-Za-z0-9]+", relative)
        if wanted in words or kind_of(relative) == wanted:
            found.append(path)
        elif any(
            fnmatch.fnmatchcase(name, pattern)
            for pattern in patterns
            for name in (relative, os.path.basename(path))
        ):
            found.append(path)
    if not found:
        raise InputError(
            f"Expected a split that some of {len(files):,} files are named "
            f"after, or a pattern of their names, such as "
            f"{utf8(os.path.basename(files[0]))}. Received: {wanted!r}."
        )
    return found
