"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any, BinaryIO

from and_tf.errors import InputError


def write(path: pathlib.Path, fill: Callable[[BinaryIO], None]) -> None:
    """Writes a file beside its place, then moves it there.

    A reader, or a run that was killed in between, sees the old file or the
    new one.

    Args:
        path: The file; its directory is made.
        fill: Writes the content to an open binary file.

    Raises:
        InputError: If there is no room, or no right to write.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error.strerror or str(error)) from error


def unwritable(path: pathlib.Path, why: str) -> InputError:
    """The error of a file that a run could not write."""
    return InputError(
        f"Expected to write {path}. Received: {why}. Make room or change the "
        "directory, then run again with --resume; what was written before is "
        "whole."
    )


def sweep(directory: pathlib.Path) -> None:
    """Removes what processes that were killed while writing left below it."""
    for path in directory.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all."""
    write(path, lambda file: file.write(text.encode()))


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
