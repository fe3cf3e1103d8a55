"""The one way in which a path is read that a user gave.

A shell leaves the tilde of `--run_dir=~/x` as it is, and a local directory
called `gs:` is never what somebody meant. Everything here happens as flags
are parsed, so before any work.
"""

from __future__ import annotations

import os
import pathlib
import re
import tempfile

from absl import flags

from and_tf.utils import escaping
from and_tf.utils.errors import InputError

# What a run directory, one with the first of these, keeps for itself.
OF_RUNS = (
    "flags.cfg", "result.json", "metrics.csv", "checkpoints", "neighbourhoods",
    "tensorboard", "neighbours.npz", "sample.npz",
)  # fmt: skip
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

# So that --help of the main that has them defined lists them.
flags.disclaim_key_flags()


def check_text(name: str, text: str) -> None:
    """Refuses a flag's text that a flagfile could not keep.

    Args:
        name: The flag's.
        text: Its value.

    Raises:
        InputError: If it begins or ends with white space, or has line ends or
            other control characters in it.
    """
    if text != text.strip() or escaping.has_controls(text):
        raise InputError(
            f"Expected --{name} without spaces at its ends, line ends and "
            f"control characters. Received: {text!r}."
        )


def read(name: str, text: str) -> str:
    """Reads a path.

    Args:
        name: The flag's.
        text: What a user gave; "" stays "".

    Returns:
        The path, with the user's home directory in the place of a tilde.

    Raises:
        InputError: If it is a URL, which nothing here reads or writes; if
            `check_text` refuses it; or if there is no such home.
    """
    check_text(name, text)
    if _URL.match(text):
        raise InputError(
            f"Expected a path of this machine for --{name}. Received the URL "
            f"{text}. Copy it here, or mount it, as gcsfuse does."
        )
    path = os.path.expanduser(text)
    if path.startswith("~/"):
        raise InputError(
            f"Expected --{name} without a tilde, as no home directory is "
            f"known. Received: {text}."
        )
    return path


class Parser(flags.ArgumentParser[str]):
    """Reads the paths of a flag as `read` does.

    Args:
        name: The flag's.
    """

    syntactic_help = "a path"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def parse(self, argument: str) -> str:
        """Reads a path; absl makes a sentence of the error."""
        return read(self._name, argument)


def define(
    name: str,
    default: str,
    text: str,
    values: flags.FlagValues = flags.FLAGS,
) -> flags.FlagHolder[str]:
    """Defines a flag that is a path.

    Args:
        name: The flag's.
        default: Its default.
        text: The help text.
        values: The flags that it is one of.
    """
    return flags.DEFINE(
        Parser(name),
        name,
        default,
        text,
        flag_values=values,
        serializer=flags.ArgumentSerializer(),
    )


def check_output(name: str, path: pathlib.Path) -> None:
    """Tries before the work whether a file can be written after it.

    Nothing is left of the try, and no directory is made.

    Args:
        name: The flag's.
        path: The file, or directory, that is to be written.

    Raises:
        InputError: If it cannot be, or is one of a run's own files.
    """
    run = _run_that_owns(path)
    if run is not None:
        raise InputError(
            f"Expected another place for --{name} than a run's own files. "
            f"Received: {path}, which is of the run in {run}. Name another."
        )
    try:
        place = path.absolute()
        place.exists()  # Raises where the name is too long.
        place = place if place.is_dir() else place.parent
        while not place.exists():
            place = place.parent
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise InputError(
            f"Expected a place that can be written to for --{name}. Received: "
            f"{path}: {error.strerror}. Change its rights, make room, or name "
            "another."
        ) from error


def _run_that_owns(path: pathlib.Path) -> pathlib.Path | None:
    """The run directory whose own file, or a file below it, a path is."""
    place = path.absolute()
    for parent in place.parents:
        own = place.relative_to(parent).parts[0] in OF_RUNS
        if own and os.path.isfile(parent / OF_RUNS[0]):
            return parent
    return None
