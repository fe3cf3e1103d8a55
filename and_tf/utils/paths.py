"""Reads and checks the paths that a user gives.

A shell leaves the tilde of `--run_dir=~/x` as it is, and nobody means a local
directory called `gs:`. Paths are checked before any work. Some flags take the
URL of an object store too, of which `and_tf.storage` makes a path.
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
# The object stores whose URLs are read, and the package that reads each.
STORES = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "hf": "huggingface_hub",
    "memory": "fsspec",  # In this process alone, for tests.
}
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


def is_url(text: str) -> bool:
    """Returns whether a text is a URL, of an object store or not."""
    return _URL.match(text) is not None


def read(name: str, text: str, *, urls: bool = False) -> str:
    """Reads a path.

    Args:
        name: The name of the flag.
        text: The path as the user gave it; "" stays "".
        urls: Whether it may be the URL of an object store.

    Returns:
        The path, with the home directory instead of a tilde; or the URL,
        without a slash at its end.

    Raises:
        InputError: If the path is a URL and may be none, or is that of no
            store; if `check_text` refuses it; or if no home directory is known.
    """
    check_text(name, text)
    if urls and is_url(text):
        return _read_url(name, text)
    if is_url(text):
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


def _read_url(name: str, text: str) -> str:
    """Reads the URL of an object store.

    Raises:
        InputError: If it is that of no store, or a part of its path is "",
            "." or "..", which no file here can have as its name.
    """
    scheme, _, rest = text.rstrip("/").partition("://")
    if scheme not in STORES:
        raise InputError(
            f"Expected a path of this machine, or a URL of s3://, gs:// or "
            f"hf://, for --{name}. Received the URL {text}. Copy it to one of "
            "these."
        )
    if not {"", ".", ".."}.isdisjoint(rest.split("/")):
        raise InputError(
            f"Expected a URL such as {scheme}://bucket/folder for --{name}, "
            f"without empty parts, '.' and '..'. Received: {text}."
        )
    return f"{scheme}://{rest}"


class Parser(flags.ArgumentParser[str]):
    """A parser that reads the paths of a flag as `read` does.

    Args:
        name: The name of the flag.
        urls: Whether it may be the URL of an object store.
    """

    syntactic_help = "a path"

    def __init__(self, name: str, urls: bool = False) -> None:
        super().__init__()
        self._name, self._urls = name, urls

    def parse(self, argument: str) -> str:
        """Reads a path; absl reports the error."""
        return read(self._name, argument, urls=self._urls)


def define(
    name: str,
    default: str,
    text: str,
    values: flags.FlagValues = flags.FLAGS,
    *,
    urls: bool = False,
) -> flags.FlagHolder[str]:
    """Defines a flag that is a path.

    Args:
        name: The name of the flag.
        default: The default of the flag.
        text: The help text.
        values: The set of flags that the flag is added to.
        urls: Whether it may be the URL of an object store.

    Returns:
        The holder of the flag, as absl returns it.
    """
    return flags.DEFINE(
        Parser(name, urls),
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
