"""Adds numbered versions to a directory, each completely or not at all."""

from __future__ import annotations

import errno
import os
import pathlib
from collections.abc import Callable

from and_tf.utils import temporary_files
from and_tf.utils.errors import InputError

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def check(directory: pathlib.Path) -> None:
    """Creates the directory of the versions, or checks an existing one.

    Unfinished versions that killed exports left there are removed.

    Args:
        directory: The directory of the versions.

    Raises:
        InputError: If it is a file, cannot be created or cannot be written to.
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

    It is written under a hidden name, which TensorFlow Serving ignores, and
    renamed when it is complete.

    Args:
        directory: The directory of the versions. Other processes may add
            versions at the same time.
        fill: A function that writes the version into an empty directory.

    Returns:
        The version's directory, whose name is the next free number.

    Raises:
        OSError: If the version cannot be written. Nothing of it is left.
    """
    with temporary_files.directory(directory) as hidden:
        fill(hidden)
        return _publish(hidden, directory)


def failure(directory: pathlib.Path, error: Exception) -> InputError:
    """Makes the error for a version that could not be written."""
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return InputError(
        f"{directory} cannot be written to: {reason}. Nothing was left there. "
        "Make room, or name another --output_dir."
    )


def _publish(hidden: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Renames a complete version to the next number that is free."""
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
