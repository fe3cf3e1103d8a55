"""Finds the place on this machine that stands for a URL, without a network."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

from and_tf.utils import atomic_files, paths
from and_tf.utils.errors import InputError

_LONGEST = 255  # Bytes of a name, as most file systems allow.
_WORKING_COPIES = "copies"
_REMEDY = "Set XDG_CACHE_HOME to a directory with room that can be written to."


def root() -> pathlib.Path:
    """Returns the directory of all that comes from stores and goes there.

    Raises:
        InputError: If no home directory is known.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not os.path.isabs(cache):
        raise InputError(
            "Expected a home directory, or XDG_CACHE_HOME, to keep there what "
            "is read from object stores. Received neither. Set that variable "
            "to a directory."
        )
    # Not in and_tf/ there, where decoded images make room for each other.
    return pathlib.Path(cache, "and_tf_stores")


def make(path: pathlib.Path) -> pathlib.Path:
    """Makes a directory of what comes from stores, and returns it.

    Raises:
        InputError: If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise atomic_files.unwritable(path, why, _REMEDY) from error
    return path


def place(text: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the path of a flag's text, which may be a URL.

    Args:
        text: A path, which stays as it is, or a URL, for which its working
            copy stands: <cache>/and_tf_stores/copies/s3/<bucket>/<name>.

    Raises:
        InputError: If the URL is not that of a store.
    """
    text = os.fspath(text)
    if not paths.is_url(text):
        return pathlib.Path(text)
    scheme, _, rest = paths.read("run_dir", text, urls=True).partition("://")
    return root() / _WORKING_COPIES / scheme / rest


def url_of(path: pathlib.Path) -> str | None:
    """Returns the URL that a path stands for; None for any other path."""
    try:
        copies = root() / _WORKING_COPIES
    except InputError:
        return None
    path = path.absolute()
    if not path.is_relative_to(copies) or path == copies:
        return None
    scheme, *rest = path.relative_to(copies).parts
    return f"{scheme}://{'/'.join(rest)}" if rest else None


def are_files(names: Iterable[str]) -> dict[str, bool]:
    """Says which names of objects can be those of files below one folder.

    A store takes any text for a name. One with ".." would lead out of the
    folder, and one that is a folder of another name cannot be a file as well.

    Args:
        names: Names of objects, relative to the folder.
    """
    names = list(names)
    folders = {
        name[:end]
        for name in names
        for end, character in enumerate(name)
        if character == "/"
    }
    return {name: name not in folders and _is_path(name) for name in names}


def _is_path(name: str) -> bool:
    parts = name.split("/")
    return "\0" not in name and all(
        part not in ("", ".", "..") and len(os.fsencode(part)) <= _LONGEST
        for part in parts
    )
