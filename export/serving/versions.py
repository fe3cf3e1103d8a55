"""Numbered versions in a directory, each there whole or not at all."""

from __future__ import annotations

import errno
import os
import pathlib
from collections.abc import Callable

from and_tf.utils import temporary_files
from and_tf.utils.errors import InputError

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def check(directory: pathlib.Path) -> None:
    """Makes the directory of the versions, or finds that it is one.

    What exports that were killed left there is removed.

    Raises:
        InputError: If it is a file, or cannot be made or written to.
    """
    if directory.exists() and not directory.is_dir():
        raise InputError(
            f"Expected a directory for --output_dir. Received the file "
            f"{directory}."
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failure(directory, error) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise InputError(
            f"Expected a directory that can be written to for --output_dir. "
            f"Received: {directory}. Change its rights, or name another."
        )
    temporary_files.sweep(directory, deep=False)


def add(
    directory: pathlib.Path, fill: Callable[[pathlib.Path], None]
) -> pathlib.Path:
    """Writes a new version.

    It is written under a hidden name, which TensorFlow Serving takes for no
    version, and renamed when it is whole.

    Args:
        directory: Where the versions lie; other processes may add to it.
        fill: Writes the version into an empty directory.

    Returns:
        The version's directory, named by the next free number.

    Raises:
        OSError: If it cannot be written; then nothing is left.
    """
    with temporary_files.directory(directory) as hidden:
        fill(hidden)
        return _publish(hidden, directory)


def failure(directory: pathlib.Path, error: Exception) -> InputError:
    """What a user is told of a version that could not be written."""
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return InputError(
        f"Expected to write to {directory}. Received: {reason}. Make "
        "room, or name another --output_dir; nothing was left there."
    )


def _publish(hidden: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Gives a whole version the next number that nobody else takes."""
    while True:
        names = (path.name for path in directory.iterdir())
        numbers = [int(name) for name in names if name.isdecimal()]
        version = directory / str(max(numbers, default=0) + 1)
        try:
            os.rename(hidden, version)
            return version
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
