"""Decoded images on the disk, where later processes find them.

Decoding is most of what a process waits for before its first step. An entry
is known by the files that it was made of, their sizes and times of change, so
that what has changed is decoded anew; what is used least recently makes room
for what is new. Nothing here is ever needed: where there is no right to
write, no room or no whole entry, images are decoded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Iterable
from importlib import metadata

import numpy as np

from and_tf import files
from and_tf.data import sharing
from and_tf.errors import InputError

# To be raised when the same files give other pixels than before.
_VERSION = 1
_DECODERS = "tensorflow", "pillow"
LEAST_BYTES = 16 * 2**20  # Less is decoded in no time.
MOST_BYTES = 4 * 2**30  # Of all entries.


def identity(sources: Iterable[bytes], *more: object) -> str | None:
    """Names images by the files that they come from, as these are now.

    Args:
        sources: Paths, in order.
        *more: Whatever else decides what images they give; by their `repr`.

    Returns:
        A name for `recall` and `keep`; None where a file is not one of this
        machine's.
    """
    digest = hashlib.sha256()
    try:
        for path in sources:
            state = os.stat(path)
            path = os.path.abspath(path)
            parts = path, state.st_size, state.st_mtime_ns
            digest.update(f"{parts}\n".encode())
    except OSError:
        return None
    versions = [metadata.version(name) for name in _DECODERS]
    digest.update(repr((_VERSION, versions, more)).encode())
    return digest.hexdigest()


def recall(name: str) -> np.ndarray | None:
    """Reads what was kept.

    Args:
        name: Of `identity`.

    Returns:
        uint8 `[N, H, W, 3]`, as `keep` took them; None where there is no
        whole entry.
    """
    directory = _directory()
    if directory is None:
        return None
    path = directory / name
    try:
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            shape, *_ = np.lib.format.read_array_header_1_0(file)
            images = sharing.empty(shape)
            if file.readinto(memoryview(images).cast("B")) < images.nbytes:
                return None
        os.utime(path)  # It was used last.
    except (OSError, ValueError, EOFError):
        return None
    return images


def keep(name: str, images: np.ndarray) -> None:
    """Keeps decoded images, unless they are few or more than all may be.

    Args:
        name: Of `identity`.
        images: uint8 `[N, H, W, 3]`.
    """
    directory = _directory()
    if directory is None or not LEAST_BYTES <= images.nbytes <= MOST_BYTES:
        return

    with contextlib.suppress(OSError, InputError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_room(directory, images.nbytes)
        files.write(directory / name, lambda file: np.save(file, images))


def _directory() -> pathlib.Path | None:
    """Where entries lie; None where a user has no home."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache, "and_tf") if os.path.isabs(cache) else None


def _make_room(directory: pathlib.Path, size: int) -> None:
    """Removes entries that were not used for longest, until `size` fits."""
    entries = sorted(
        ((path.stat(), path) for path in directory.iterdir()),
        key=lambda entry: entry[0].st_mtime_ns,
    )
    size += sum(state.st_size for state, _ in entries)
    for state, path in entries:
        if size <= MOST_BYTES:
            break
        path.unlink()
        size -= state.st_size
