"""Where a table, and what is written beside it, go."""

from __future__ import annotations

import pathlib

from and_tf.utils import paths
from and_tf.utils.errors import InputError
from export.embeddings import tables


def sidecar(output: pathlib.Path) -> pathlib.Path:
    """The file beside a table that says how it came about."""
    return output.with_name(output.name + ".json")


def skipped_list(output: pathlib.Path) -> pathlib.Path:
    """The file beside a table that names what could not be read."""
    return output.with_name(output.name + ".skipped.txt")


def parts_directory(output: pathlib.Path) -> pathlib.Path:
    """Where the parts of an unfinished table are."""
    return output.with_name(output.name + ".parts")


def check(output: pathlib.Path) -> None:
    """Raises an InputError where the table cannot be written so."""
    tables.check_suffix(output, "--output")
    # A job that was killed at its very end has left them there.
    unfinished = parts_directory(output).exists()
    beside = () if unfinished else (sidecar(output), skipped_list(output))
    for path in (output, *beside):
        if path.exists():
            raise InputError(
                f"Expected a new --output. Received: {path}, which is there "
                "already. Remove it or choose another."
            )
    paths.check_output("output", output)
