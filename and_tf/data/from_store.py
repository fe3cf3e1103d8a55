"""Brings the data of a URL here, before a reader looks for its files."""

from __future__ import annotations

import dataclasses
import re

from and_tf import storage
from and_tf.data.readers import opening
from and_tf.data.request import Request
from and_tf.utils import dataset_names, paths
from and_tf.utils.dataset_names import Kind
from and_tf.utils.errors import InputError


def brought(request: Request, kind: Kind) -> Request:
    """Fetches what --data_dir names, if that is a URL of an object store.

    Of a manifest it is the table alone, whose reader fetches what it names.

    Args:
        request: What the user asks for.
        kind: The kind of data sets that it is of.

    Returns:
        The request with the path of what was fetched, and the URL.

    Raises:
        InputError: If the kind reads no URLs, or nothing is there.
    """
    url = request.data_dir or ""
    if not paths.is_url(url):
        return request
    url = paths.read("data_dir", url, urls=True)
    if not kind.data_dir and not dataset_names.is_function(request.dataset):
        raise InputError(
            f"Expected --data_dir to be a directory of this machine with "
            f"--dataset={request.dataset}, whose package keeps its files "
            f"there. Received: {url}. Leave it out, or use another kind of "
            "data, such as folder or tfrecord."
        )
    if "pattern" in kind.data_dir and opening.has_magic(url):
        place = _matching(url)
    else:
        place = storage.fetched(url)
    return dataclasses.replace(request, data_dir=place, url=url)


def _matching(url: str) -> str:
    """Fetches what a pattern stands for; returns the pattern of its copies."""
    start = re.split(r"[*?[{]", url)[0].rpartition("/")[0]
    pattern = url.removeprefix(f"{start}/")
    # Of thousands of names in braces, each is looked up and not tried.
    names = set(opening.braces(pattern))
    magic = [name for name in names if re.search(r"[*?[]", name)]
    fits = re.compile("|".join(map(_regular, magic)) or r"(?!)")
    place = storage.fetched(
        start, lambda name: name in names or fits.fullmatch(name) is not None
    )
    return f"{place}/{pattern}"


def _regular(pattern: str) -> str:
    """Returns the regular expression of a pattern, as the shell reads it."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", pattern)
    return "".join(
        words.get(part)
        or (part.replace("[!", "[^") if part[:1] == "[" else re.escape(part))
        for part in parts
    )
