"""Finds the image files below a folder, and names what it leaves out.

Names of classes are compared in Unicode's composed form (NFC), whatever form
the file system uses.
"""

from __future__ import annotations

import collections
import os
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from and_tf.data import image_endings
from and_tf.utils.errors import InputError

Parts = tuple[str, ...]

_FILE, _FOLDER, _NOTHING, _SPECIAL = "file", "folder", "nothing", "special"
UNREADABLE = "that cannot be read"
_SHOWN = 3  # The number of names in a line.
_WHY = {
    _NOTHING: "that are links to nothing",
    _SPECIAL: "that are no ordinary files",
}
_RESULTS = "that are directories of results, whose pictures are no data"
# The names of files by which directories of results are recognised.
_MARKS = (
    {"flags.cfg", "checkpoints"},
    {"table.md", "table.csv", "plot.png"},
    {"images.parquet", "explore.json"},
)
_TWICE = "that are links to folders that are read already"
# Hidden files, and the folder that macOS adds to its archives.
_HIDDEN = (".", "__MACOSX")


class Skipped(NamedTuple):
    """A file or folder that was left out of a data set.

    Attributes:
        name: The path of the file or folder, printable, see `utf8`.
        reason: A relative clause that completes "left out 3 …", such as
            "that cannot be read".
    """

    name: str
    reason: str


class Found(NamedTuple):
    """The files and folders below a folder.

    Attributes:
        images: The parts of each image's path below the folder, in sorted
            order of the paths.
        skipped: The files and folders that are left out, with their paths
            below the folder.
    """

    images: tuple[Parts, ...]
    skipped: tuple[Skipped, ...]


def walk(root: str) -> Found:
    """Finds the image files below a folder, in sorted order.

    Each name is a sample: a link to a file is an image of its own, even if the
    file itself is found too. A folder is entered once, however many links lead
    to it, since links may form a circle. Hidden files and folders, and files
    that are not named like images, are ignored without a remark. Directories
    of runs and sweeps are left out and named in `skipped`.

    Args:
        root: The path of the folder.

    Raises:
        InputError: If a folder cannot be read.
    """
    images: list[Parts] = []
    skipped: list[Skipped] = []
    entered: set[tuple[int, int]] = set()
    pending: list[tuple[Parts, str]] = [((), _FOLDER)]  # A stack.
    while pending:
        parts, kind = pending.pop()
        if kind == _FOLDER:
            place = os.path.join(root, *parts)
            found, why = _inside(place, entered, is_root=not parts)
            pending += [((*parts, name), k) for name, k in reversed(found)]
        elif image_endings.is_readable(parts[-1]):
            why = _WHY.get(kind)
            if not why:
                images.append(parts)
        else:
            why = image_endings.why_not(parts[-1])
        if why:
            skipped.append(Skipped(utf8(os.path.join(*parts)), why))
    return Found(tuple(images), tuple(skipped))


def holds_image(root: str) -> bool:
    """Returns whether an image file lies anywhere below a folder."""
    for _, folders, files in os.walk(root):
        if any(image_endings.is_readable(n) for n in files if not hidden(n)):
            return True
        folders[:] = [name for name in folders if not hidden(name)]
    return False


def folders_in(root: str) -> list[str]:
    """Returns the names of the folders directly in a folder, sorted.

    Raises:
        InputError: If the folder cannot be read.
    """
    return [name for name, kind in _entries(root) if kind == _FOLDER]


def has_loose_image(root: str) -> bool:
    """Returns whether an image file lies directly in a folder.

    Raises:
        InputError: If the folder cannot be read.
    """
    return any(
        kind == _FILE and image_endings.is_readable(name)
        for name, kind in _entries(root)
    )


def hidden(name: str) -> bool:
    """Returns whether a file or folder of this name is ignored."""
    return name.startswith(_HIDDEN)


def _inside(
    folder: str, entered: set[tuple[int, int]], is_root: bool
) -> tuple[list[tuple[str, str]], str | None]:
    """Returns the entries of a folder, or why it is not entered.

    Args:
        folder: The path of the folder.
        entered: The device and inode of all folders entered so far; this one
            is added.
        is_root: True for the outermost folder, which is always entered.

    Returns:
        The names and kinds of the entries, and None; or no entries and a
        reason for `Skipped`.
    """
    found = _entries(folder)
    state = os.stat(folder)
    place = state.st_dev, state.st_ino
    if place in entered:
        return [], _TWICE
    entered.add(place)
    names = {name for name, _ in found}
    if not is_root and any(marks <= names for marks in _MARKS):
        return [], _RESULTS
    return found, None


def _entries(folder: str) -> list[tuple[str, str]]:
    """Returns the names and kinds of a folder's visible entries, sorted.

    Raises:
        InputError: If the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (e.name, _kind(e)) for e in entries if not hidden(e.name)
            )
    except OSError as error:
        raise InputError(
            f"Expected a folder that can be read. Received: {utf8(folder)}: "
            f"{error.strerror}."
        ) from error


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return _FOLDER
        if entry.is_file():
            return _FILE
        return _NOTHING if entry.is_symlink() else _SPECIAL
    except OSError:  # The entry is a link to itself.
        return _NOTHING


def utf8(name: str) -> str:
    """Returns a file's name with escapes for bytes that are not UTF-8.

    A name with such bytes opens its file, but it can be neither printed nor
    written without escapes.
    """
    return name.encode(errors="backslashreplace").decode()


def composed(name: str) -> str:
    """Returns a name in Unicode's composed form, NFC.

    Some systems and archives store "é" as one character, others as "e" and an
    accent. Two folders whose names look the same are one class.
    """
    return unicodedata.normalize("NFC", name)


def summaries(skipped: Iterable[Skipped]) -> Iterator[str]:
    """Yields a text per reason: "3 that cannot be read: a.png, b.png, …".

    Args:
        skipped: The files and folders that were left out. Reasons keep the
            order in which they first occur.
    """
    names = collections.defaultdict(list)
    for name, reason in skipped:
        names[reason].append(name)
    for reason, those in names.items():
        more = ", …" if len(those) > _SHOWN else ""
        yield f"{len(those):,} {reason}: {', '.join(those[:_SHOWN])}{more}"
