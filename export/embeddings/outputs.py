"""Names the files that are written beside a table, and checks them."""

from __future__ import annotations

import pathlib

from and_tf.utils import paths
from and_tf.utils.errors import InputError
from export.embeddings import tables


def sidecar(output: pathlib.Path) -> pathlib.Path:
    """Returns the path of a table's sidecar: JSON that says how it was made."""
    return output.with_name(output.name + ".json")


def skipped_list(output: pathlib.Path) -> pathlib.Path:
    """Returns the path of the file that lists the unreadable images."""
    return output.with_name(output.name + ".skipped.txt")


def parts_directory(output: pathlib.Path) -> pathlib.Path:
    """Returns the directory for the parts of an unfinished table."""
    return output.with_name(output.name + ".parts")


def check(output: pathlib.Path) -> None:
    """Checks that a table and the files beside it can be written.

    Args:
        output: The file of the table.

    Raises:
        InputError: If a file exists already, the suffix is not known or the
            directory cannot be written to.
    """
    tables.check_suffix(output, "--output")
    # A job that was killed at its very end has left the files beside it.
    unfinished = parts_directory(output).exists()
    beside = () if unfinished else (sidecar(output), skipped_list(output))
    for path in (output, *beside):
        if path.exists():
            raise InputError(
                f"Expected a new --output. Received: {path}, which is there "
                "already. Remove it or choose another."
            )
    paths.check_output("output", output)
