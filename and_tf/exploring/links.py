"""Makes folders of links to the images, by cluster and duplicate group.

Any file manager then shows the clusters. A later exploration removes exactly
the links that this one made, as a list names them; whatever else lies there is
the user's and stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import unicodedata
from collections.abc import Iterator

from and_tf.exploring.outgoing import REMEDY, Outgoing
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError

DIRECTORY, MADE = "links", "made.json"
_CLUSTERS, _DUPLICATES, _NONE = "clusters", "duplicates", "no cluster"
# What Windows, its file servers and memory cards allow in no name.
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_MOST_BYTES = 200  # Of a name; file systems allow 255.


def write(images: Outgoing, directory: pathlib.Path) -> pathlib.Path:
    """Makes links/clusters/ and links/duplicates/, a folder for each.

    The links are relative, so that both folders may be moved together. Their
    names are safe, see `safe_name`.

    Args:
        images: The images.
        directory: The directory to write to.

    Returns:
        The directory of the two folders.

    Raises:
        InputError: If the file system has no links, or they cannot be made.
    """
    place = directory / DIRECTORY
    remove(place)
    wanted: dict[str, str] = {}
    used: dict[str, int] = {}
    for folder, name, path in _wanted(images):
        link = _free(place, folder, name, used)
        wanted[link] = _relative(path, place / folder)
    # The list comes first: a process that dies leaves no link that it lacks.
    atomic_files.write_json(place / MADE, wanted, REMEDY)
    try:
        for link, target in wanted.items():
            (place / link).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(target, place / link)
    except OSError as error:
        raise InputError(
            f"Expected a file system with symbolic links for {place}. "
            f"Received: {error.strerror}. Leave links out of --formats, or "
            "write --output to another disk."
        ) from error
    return place


def remove(place: pathlib.Path) -> None:
    """Removes the links of an earlier exploration, and folders left empty.

    A link that was moved, renamed or changed since then stays.
    """
    folders: set[pathlib.PurePath] = set()
    for name, target in _made(place / MADE):
        link = place / name
        with contextlib.suppress(OSError):
            if link.is_symlink() and os.readlink(link) == target:
                link.unlink()
        folders |= {*name.parents} - {pathlib.PurePath()}
    for folder in sorted(folders, reverse=True):  # Inner ones first.
        with contextlib.suppress(OSError):
            (place / folder).rmdir()


def _made(path: pathlib.Path) -> Iterator[tuple[pathlib.PurePath, str]]:
    """Yields the links of a list and their targets; none if it is damaged."""
    try:
        made = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(made, dict):
        for text, target in made.items():
            name = pathlib.PurePath(text)
            if not name.is_absolute() and ".." not in name.parts:
                yield name, target


def safe_name(name: str) -> str:
    """Returns a name that is a plain file name everywhere.

    Slashes, characters without a picture and those that Windows forbids become
    "_"; dots, spaces and hyphens at the beginning go, and names are cut to 200
    bytes, before their suffix. The result may be empty.
    """
    text = unicodedata.normalize("NFC", name)
    text = text.encode(errors="replace").decode()
    text = "".join(c if c.isprintable() else "_" for c in text)
    text = _UNSAFE.sub("_", text).lstrip(". -").rstrip(". ")
    stem, suffix = os.path.splitext(text)
    suffix = suffix if len(suffix.encode()) <= 16 else ""
    stem = text.removesuffix(suffix)
    room = _MOST_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix


def _wanted(images: Outgoing) -> Iterator[tuple[str, str, str]]:
    """Yields the folder, the name and the target of each link."""
    columns = (
        "cluster", "cluster_name", "duplicate_group", "duplicate_kind", "keep"
    )  # fmt: skip
    numbers = images.table["cluster"].to_pylist()
    digits = len(str(max((n for n in numbers if n is not None), default=0)))
    for path, row in images.rows(columns):
        name = os.path.basename(path)
        yield _folder(row, digits), name, path
        group = row.get("duplicate_group", -1)
        if group >= 0:
            kind = "keep" if row.get("keep") else row.get("duplicate_kind", "")
            yield f"{_DUPLICATES}/{group}", f"{kind or 'like'} - {name}", path


def _folder(row: dict, digits: int) -> str:
    """Returns the folder of an image's cluster, such as clusters/03 cats."""
    number = row.get("cluster", -1)
    if number < 0:
        return f"{_CLUSTERS}/{_NONE}"
    name = row.get("cluster_name", "")
    name = "" if name == f"cluster {number}" else safe_name(name)
    return f"{_CLUSTERS}/{number:0{digits}d} {name}".rstrip()


def _free(
    place: pathlib.Path, folder: str, name: str, used: dict[str, int]
) -> str:
    """Returns the first name in a folder that nothing has yet.

    Args:
        place: The directory that the folder lies in.
        folder: The folder.
        name: The name that is wanted; of images with the same name, later
            ones get a number behind it.
        used: How often each name was given before. Capitals and small letters
            count alike, as some file systems do not tell them apart.
    """
    stem, suffix = os.path.splitext(safe_name(name) or "image")
    key = f"{folder}/{stem}{suffix}".casefold()
    while True:
        count = used[key] = used.get(key, 0) + 1
        link = f"{folder}/{stem}{f' ({count})' if count > 1 else ''}{suffix}"
        own = link.casefold()
        if own != key and own in used:
            continue  # An image is called so itself.
        used.setdefault(own, 1)
        if not os.path.lexists(place / link):
            return link


def _relative(path: str, folder: pathlib.Path) -> str:
    """Returns the way from a folder, which need not exist, to an image."""
    parent, name = os.path.split(os.path.abspath(path))
    return os.path.relpath(
        os.path.join(os.path.realpath(parent), name), os.path.realpath(folder)
    )
