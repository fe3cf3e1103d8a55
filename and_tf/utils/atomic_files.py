"""Writes files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any, BinaryIO

from and_tf.utils import temporary_files
from and_tf.utils.errors import InputError

REMEDY = (
    "Make room or name another directory, then run again with --resume; what "
    "was written before is complete."
)


def write(
    path: pathlib.Path,
    fill: Callable[[BinaryIO], object],
    remedy: str = REMEDY,
) -> None:
    """Writes a file under a temporary name, then renames it.

    A reader sees either the old file or the new one, even if the process is
    killed in between.

    Args:
        path: The file; its directory is made if it does not exist.
        fill: Writes the content to an open binary file.
        remedy: The advice in the error, in a sentence.

    Raises:
        InputError: If the disk is full, or the file must not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary_files.create(path)
        try:
            _complete(file, fill)
            os.replace(file.name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise
        finally:
            file.close()
    except OSError as error:
        why = error.strerror or str(error)
        raise unwritable(path, why, remedy) from error


def _complete(file: BinaryIO, fill: Callable[[BinaryIO], object]) -> None:
    """Fills a file and makes sure that it is on the disk."""
    fill(file)
    file.flush()
    os.fsync(file.fileno())
    if os.name == "nt":  # Windows cannot rename open files; it has no lock.
        file.close()


def unwritable(
    path: pathlib.Path, why: str, remedy: str = REMEDY
) -> InputError:
    """Makes the error for a file that cannot be written."""
    return InputError(f"{path} cannot be written: {why}. {remedy}")


def write_text(path: pathlib.Path, text: str, remedy: str = REMEDY) -> None:
    """Writes UTF-8 text, whole or not at all.

    Names of files that are not UTF-8, which Python holds as surrogates, are
    written as their original bytes.
    """
    content = text.encode(errors="surrogateescape")
    write(path, lambda file: file.write(content), remedy)


def write_json(path: pathlib.Path, value: Any, remedy: str = REMEDY) -> None:
    """Writes indented JSON, whole or not at all."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_text(path, text, remedy)
