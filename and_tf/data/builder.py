"""Finds the data sets of TFDS that are prepared, and prepares others."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import sys
import textwrap
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING

from and_tf.utils.dataset_names import KINDS, WHAT_CAN_BE_GIVEN
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_ANSWER_SECONDS = 3.0


def open_builder(
    name: str,
    data_dir: str | None,
    prepare: Callable[[tfds.core.DatasetBuilder], None],
) -> tfds.core.DatasetBuilder:
    """Opens a prepared data set, and prepares it first if necessary.

    Args:
        name: The name of a TFDS data set, with or without a config and a
            version.
        data_dir: The directory of prepared data sets; None takes the
            environment variable TFDS_DATA_DIR, or else the default of TFDS.
        prepare: A function that is called with the builder if the data set is
            not prepared yet.

    Raises:
        InputError: If there is no such data set, or it cannot be prepared.
    """
    import tensorflow_datasets as tfds

    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if not builder.info.splits:
            prepare(builder)
            builder = tfds.builder(name, data_dir=data_dir)
    except InputError:  # It is a ValueError too, and explains itself already.
        raise
    # TFDS raises many kinds of errors when dataset_info.json or another of its
    # files is damaged.
    except Exception as error:
        raise InputError(_unknown(name, error)) from error
    if not builder.info.splits:
        raise InputError(
            f"Expected a prepared data set in {builder.data_dir}. Received: a "
            "directory without one. Remove it and start again."
        )
    return builder


def download(builder: tfds.core.DatasetBuilder) -> None:
    """Lets TFDS download and prepare a data set.

    Args:
        builder: The builder of the data set, which is not prepared yet.

    Raises:
        InputError: If there is no connection, or TFDS fails.
    """
    if failure := try_download(builder):
        raise InputError(
            f"Expected TFDS to download {builder.name} into "
            f"{builder.data_dir}. Received: {failure}. Give the directory "
            "where it is prepared with --data_dir, or another data set."
        )


def try_download(
    builder: tfds.core.DatasetBuilder, download_dir: str | None = None
) -> str:
    """Lets TFDS download and prepare a data set; returns an error message.

    Args:
        builder: The builder of the data set, which is not prepared yet.
        download_dir: The directory for downloaded files; None takes the
            default of TFDS.

    Returns:
        The reason of a failure, or "" if the data set is prepared.
    """
    urls = sorted(builder.url_infos or ())
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        urls = []  # The files may have been downloaded already.
    for url in urls[:1]:
        if failure := _connection_failure(url):
            return failure
    announce(f"{builder.name}: download and prepare into {builder.data_dir}")
    try:
        # The progress bars of TFDS go to stderr and stay visible; what it
        # prints to stdout is hidden.
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_dir=download_dir)
    except Exception as error:  # Each builder may raise other kinds of errors.
        return f"{type(error).__name__}: {_brief(error)}"
    return ""


def announce(what: str) -> None:
    """Prints a line to stderr that says what is being prepared, and where."""
    print(what, file=sys.stderr, flush=True)


def _connection_failure(url: str) -> str:
    """Returns why a server cannot be reached, or "" if it can be.

    Without this quick check, TFDS would try again for minutes.
    """
    import requests

    if not url.startswith("http"):
        return ""
    host = urllib.parse.urlparse(url).hostname
    try:
        status = requests.head(url, timeout=_ANSWER_SECONDS).status_code
    except requests.RequestException as error:
        return f"no answer from {host} ({type(error).__name__})"
    return f"status {status} from {host}" if status >= 500 else ""


def _unknown(name: str, error: Exception) -> str:
    """Returns a message about an unknown name, with the closest known ones."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders()
    if name.split(":")[0].split("/")[0] in known:
        return (
            f"Expected a data set that TFDS can open. Received: {name}, of "
            f"which it says: {_brief(error)}."
        )
    close = difflib.get_close_matches(
        name.lower(), [*known, *KINDS], cutoff=0.5
    )
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"Expected a data set: {WHAT_CAN_BE_GIVEN}. Received: {name!r}.{hint}"
    )


def _brief(error: Exception) -> str:
    """Returns an error's message on one line, without a full stop."""
    return textwrap.shorten(str(error), 400, placeholder=" …").rstrip(".")
