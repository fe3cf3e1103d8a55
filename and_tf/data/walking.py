"""Finds the image files below a folder, and says what it leaves out.

Names of files and classes are compared and shown in Unicode's composed form
(NFC), whatever form a file system gives them in.
"""

from __future__ import annotations

import os
import unicodedata
from typing import NamedTuple

from and_tf.data import image_endings
from and_tf.data.skipped import Skipped
from and_tf.utils.errors import InputError

Parts = tuple[str, ...]

_FILE, _FOLDER, _NOTHING, _SPECIAL = "file", "folder", "nothing", "special"
_WHY = {
    _NOTHING: "that are links to nothing",
    _SPECIAL: "that are no ordinary files",
}
_RESULTS = "that are directories of runs or sweeps, whose pictures are no data"
# What tells the directory of a run, or of a sweep, by the names in it.
_MARKS = {"flags.cfg", "checkpoints"}, {"table.md", "table.csv", "plot.png"}
_TWICE = "that are links to folders that are read already"
# What an archive made by macOS holds beside the files.
_HIDDEN = (".", "__MACOSX")


class Found(NamedTuple):
    """The files and folders below a folder.

    Attributes:
        images: The parts of each image's path below it, in sorted order.
        skipped: What is left out, by its path below it.
    """

    images: tuple[Parts, ...]
    skipped: tuple[Skipped, ...]


def walk(root: str) -> Found:
    """Finds the image files below a folder, in sorted order.

    A link to a file is an image of its own, even where the file is one too: a
    name is what makes a sample. A folder is entered once, however many links
    lead there, for links may lead in a circle. Hidden files and folders are
    passed over without a word; so are files that are not called like images.
    The directories of runs and of sweeps are left out and named.

    Args:
        root: The folder.

    Raises:
        InputError: A folder cannot be read.
    """
    images: list[Parts] = []
    skipped: list[Skipped] = []
    entered: set[tuple[int, int]] = set()
    pending: list[tuple[Parts, str]] = [((), _FOLDER)]  # The next is last.
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
    """Tells whether an image file lies anywhere below a folder."""
    for _, folders, files in os.walk(root):
        if any(image_endings.is_readable(n) for n in files if not hidden(n)):
            return True
        folders[:] = [name for name in folders if not hidden(name)]
    return False


def folders_in(root: str) -> list[str]:
    """Returns the names of the folders directly in a folder, sorted.

    Raises:
        InputError: It cannot be read.
    """
    return [name for name, kind in _entries(root) if kind == _FOLDER]


def has_loose_image(root: str) -> bool:
    """Tells whether an image file lies directly in a folder.

    Raises:
        InputError: It cannot be read.
    """
    return any(
        kind == _FILE and image_endings.is_readable(name)
        for name, kind in _entries(root)
    )


def hidden(name: str) -> bool:
    """Tells whether a file or folder of this name is passed over."""
    return name.startswith(_HIDDEN)


def _inside(
    folder: str, entered: set[tuple[int, int]], is_root: bool
) -> tuple[list[tuple[str, str]], str | None]:
    """The entries of a folder, or none and why it is not entered."""
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
    """The names and kinds of what is in a folder and not hidden, sorted."""
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
    except OSError:  # A link to itself.
        return _NOTHING


def utf8(name: str) -> str:
    """Returns a file's name with escapes for the bytes that are no UTF-8.

    Such a name opens its file, but can be neither printed nor written.
    """
    return name.encode(errors="backslashreplace").decode()


def composed(name: str) -> str:
    """Returns a name in Unicode's composed form, NFC.

    Some systems and archives store "é" as one character, others as "e" and an
    accent. Two folders whose names look alike are one class.
    """
    return unicodedata.normalize("NFC", name)
