"""Reads and checks the paths that a user gives.

A shell leaves the tilde of `--run_dir=~/x` as it is, and nobody means a local
directory called `gs:`. Paths are checked before any work.
"""

from __future__ import annotations

import os
import pathlib
import re
import tempfile

from absl import flags

from and_tf.utils import escaping
from and_tf.utils.errors import InputError

# A run's own files; a directory with the first of them is a run directory.
OF_RUNS = (
    "flags.cfg", "result.json", "metrics.csv", "checkpoints", "neighbourhoods",
    "tensorboard", "teacher", "neighbours.npz", "sample.npz",
)  # fmt: skip
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

# So absl attributes a flag to the main for which it is defined.
flags.disclaim_key_flags()


def check_text(name: str, text: str) -> None:
    """Refuses a flag's text that a flagfile cannot keep.

    Args:
        name: The name of the flag.
        text: The value of the flag.

    Raises:
        InputError: If the text begins or ends with white space, or holds line
            ends or other control characters.
    """
    if text != text.strip() or escaping.has_controls(text):
        raise InputError(
            f"Expected --{name} without spaces at its ends, line breaks and "
            f"control characters. Received: {text!r}."
        )


def read(name: str, text: str) -> str:
    """Reads a path.

    Args:
        name: The name of the flag.
        text: The path as the user gave it; "" stays "".

    Returns:
        The path, with the home directory instead of a tilde.

    Raises:
        InputError: If the path is a URL, which this project does not read or
            write; if `check_text` refuses it; or if no home directory is known.
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
    """A parser that reads the paths of a flag as `read` does.

    Args:
        name: The name of the flag.
    """

    syntactic_help = "a path"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def parse(self, argument: str) -> str:
        """Reads a path; absl reports the error."""
        return read(self._name, argument)


def define(
    name: str,
    default: str,
    text: str,
    values: flags.FlagValues = flags.FLAGS,
) -> flags.FlagHolder[str]:
    """Defines a flag that is a path.

    Args:
        name: The name of the flag.
        default: The default of the flag.
        text: The help text.
        values: The set of flags that the flag is added to.

    Returns:
        The holder of the flag, as absl returns it.
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
    """Checks before any work that its output can be written.

    The check leaves no file behind, and makes no directory.

    Args:
        name: The name of the flag.
        path: The file or directory that will be written.

    Raises:
        InputError: If it cannot be written, or is one of a run's own files.
    """
    run = _run_that_owns(path)
    if run is not None:
        raise InputError(
            f"Expected --{name} outside of a run's own files. Received: "
            f"{path}, a file of the run in {run}. Name another place."
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
    """Returns the run directory that a path is an own file of, or None."""
    place = path.absolute()
    for parent in place.parents:
        own = place.relative_to(parent).parts[0] in OF_RUNS
        if own and os.path.isfile(parent / OF_RUNS[0]):
            return parent
    return None
