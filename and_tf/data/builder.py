"""TFDS' data sets: finding a prepared one, or having it prepared."""

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

from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_ANSWER_SECONDS = 3.0


def open_builder(
    name: str,
    data_dir: str | None,
    prepare: Callable[[tfds.core.DatasetBuilder], None],
) -> tfds.core.DatasetBuilder:
    """Finds a prepared data set, or has it prepared.

    Args:
        name: A name of TFDS, which may hold a config and a version.
        data_dir: Where prepared data sets lie; None asks TFDS.
        prepare: Called with the builder where nothing is prepared yet.

    Raises:
        InputError: There is no such data set, or it cannot be prepared.
    """
    import tensorflow_datasets as tfds

    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if not builder.info.splits:
            prepare(builder)
            builder = tfds.builder(name, data_dir=data_dir)
    except InputError:  # A ValueError too.
        raise
    # TFDS reads dataset_info.json and others, and answers damage in many ways.
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

    Raises:
        InputError: There is no connection, or TFDS fails.
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
    """Lets TFDS download and prepare a data set.

    Args:
        builder: The data set, not prepared yet.
        download_dir: Where downloaded files go; None asks TFDS.

    Returns:
        Why it did not succeed; empty where it did.
    """
    urls = sorted(builder.url_infos or ())
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        urls = []  # The files may lie there already.
    for url in urls[:1]:
        if failure := _connection_failure(url):
            return failure
    announce(f"{builder.name}: download and prepare into {builder.data_dir}")
    try:
        # Its progress bars stay, its own announcements do not.
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_dir=download_dir)
    except Exception as error:  # Each builder has its own ways to fail.
        return f"{type(error).__name__}: {_brief(error)}"
    return ""


def announce(what: str) -> None:
    """Says in one line what is being prepared, and where."""
    print(what, file=sys.stderr, flush=True)


def _connection_failure(url: str) -> str:
    """Asks for an answer first: TFDS would try again for minutes."""
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
    """Says why a name is none of a data set, and which ones come close."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders()
    if name.split(":")[0].split("/")[0] in known:
        return (
            f"Expected a data set that TFDS can open. Received: {name}, of "
            f"which it says: {_brief(error)}."
        )
    close = difflib.get_close_matches(
        name.lower(), [*known, "folder", "digits"], cutoff=0.5
    )
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        "Expected a data set of TFDS, or folder or digits as --dataset. "
        f"Received: {name!r}.{hint}"
    )


def _brief(error: Exception) -> str:
    """An error's message on one line, without a full stop."""
    return textwrap.shorten(str(error), 400, placeholder=" …").rstrip(".")
