"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any, BinaryIO

from and_tf.errors import InputError

_REMEDY = (
    "Make room or change the directory, then run again with --resume; what "
    "was written before is whole."
)


def write(
    path: pathlib.Path,
    fill: Callable[[BinaryIO], None],
    remedy: str = _REMEDY,
) -> None:
    """Writes a file beside its place, then moves it there.

    A reader, or a run that was killed in between, sees the old file or the
    new one.

    Args:
        path: The file; its directory is made.
        fill: Writes the content to an open binary file.
        remedy: What a user can do where it fails, in a sentence.

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
        with contextlib.suppress(OSError):  # Its place may be no directory.
            temporary.unlink()
        raise InputError(
            f"Expected to write {path}. Received: {error.strerror or error}. "
            + remedy
        ) from error


def write_text(path: pathlib.Path, text: str, remedy: str = _REMEDY) -> None:
    """Writes UTF-8 text, whole or not at all."""
    write(path, lambda file: file.write(text.encode()), remedy)


def write_json(path: pathlib.Path, value: Any, remedy: str = _REMEDY) -> None:
    """Writes indented JSON, whole or not at all."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_text(path, text, remedy)
