"""Finds the image files below a folder, and names what it leaves out.

Names of classes are compared in Unicode's composed form (NFC), whatever form
the file system uses.
"""

from __future__ import annotations

import collections
import os
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from and_tf.data import image_endings
from and_tf.utils.errors import InputError

Parts = tuple[str, ...]

FILE, FOLDER, _NOTHING, _SPECIAL = "file", "folder", "nothing", "special"
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


class Refused(ValueError):
    """An error for a file that is not decoded, with a reason for `Skipped`."""


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


class Tree(Protocol):
    """A tree of folders and files, on the disk or in an archive."""

    def is_folder(self, path: str) -> bool:
        """Returns whether a path is that of a folder."""

    def entries(self, folder: str) -> list[tuple[str, str]]:
        """Returns the names and kinds of a folder's visible entries, sorted.

        Raises:
            InputError: If the folder cannot be read.
        """

    def place(self, folder: str) -> object:
        """Returns what is the same for all paths of one folder."""

    def holds_image(self, folder: str) -> bool:
        """Returns whether an image file lies anywhere below a folder."""


class _Disk:
    """The `Tree` of this machine's file system."""

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)

    def entries(self, folder: str) -> list[tuple[str, str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(
                    (e.name, _kind(e)) for e in entries if not hidden(e.name)
                )
        except OSError as error:
            raise InputError(
                "Expected a folder that can be read. Received: "
                f"{utf8(folder)}: {error.strerror}."
            ) from error

    def place(self, folder: str) -> object:
        state = os.stat(folder)
        return state.st_dev, state.st_ino

    def holds_image(self, folder: str) -> bool:
        for _, folders, files in os.walk(folder):
            shown = (name for name in files if not hidden(name))
            if any(map(image_endings.is_readable, shown)):
                return True
            folders[:] = [name for name in folders if not hidden(name)]
        return False


DISK: Tree = _Disk()


def walk(root: str, tree: Tree = DISK) -> Found:
    """Finds the image files below a folder, in sorted order.

    Each name is a sample: a link to a file is an image of its own, even if the
    file itself is found too. A folder is entered once, however many links lead
    to it, since links may form a circle. Hidden files and folders, and files
    that are not named like images, are ignored without a remark. Directories
    of runs and sweeps are left out and named in `skipped`.

    Args:
        root: The path of the folder.
        tree: The tree that holds it.

    Raises:
        InputError: If a folder cannot be read.
    """
    images: list[Parts] = []
    skipped: list[Skipped] = []
    entered: set[object] = set()
    pending: list[tuple[Parts, str]] = [((), FOLDER)]  # A stack.
    while pending:
        parts, kind = pending.pop()
        if kind == FOLDER:
            place = os.path.join(root, *parts)
            found, why = _inside(place, entered, tree, is_root=not parts)
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


def folders_in(root: str, tree: Tree = DISK) -> list[str]:
    """Returns the names of the folders directly in a folder, sorted.

    Raises:
        InputError: If the folder cannot be read.
    """
    return [name for name, kind in tree.entries(root) if kind == FOLDER]


def has_loose_image(root: str, tree: Tree = DISK) -> bool:
    """Returns whether an image file lies directly in a folder.

    Raises:
        InputError: If the folder cannot be read.
    """
    return any(
        kind == FILE and image_endings.is_readable(name)
        for name, kind in tree.entries(root)
    )


def hidden(name: str) -> bool:
    """Returns whether a file or folder of this name is ignored."""
    return name.startswith(_HIDDEN)


def _inside(
    folder: str, entered: set[object], tree: Tree, is_root: bool
) -> tuple[list[tuple[str, str]], str | None]:
    """Returns the entries of a folder, or why it is not entered.

    Args:
        folder: The path of the folder.
        entered: The places of all folders entered so far; this one is added.
        tree: The tree that holds the folder.
        is_root: True for the outermost folder, which is always entered.

    Returns:
        The names and kinds of the entries, and None; or no entries and a
        reason for `Skipped`.
    """
    found = tree.entries(folder)
    place = tree.place(folder)
    if place in entered:
        return [], _TWICE
    entered.add(place)
    names = {name for name, _ in found}
    if not is_root and any(marks <= names for marks in _MARKS):
        return [], _RESULTS
    return found, None


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return FOLDER
        if entry.is_file():
            return FILE
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
