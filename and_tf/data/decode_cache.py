"""Keeps decoded images on the disk, where later processes find them.

Decoding takes most of the time before the first step of a process. An entry
is named after the files that it was made from: their paths, sizes, inodes, and
times of change, including the ctime, which no program can set. So files that
have changed are decoded again. Each entry has a checksum, and a damaged entry
is ignored. The least recently used entries are removed to make room for new
ones. The cache is optional: if it cannot be written, is full or has no valid
entry, images are decoded. Other modules keep here, too, what takes long to
compute from images.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import pathlib
import struct
import zlib
from collections.abc import Iterable
from importlib import metadata
from typing import BinaryIO

import numpy as np

from and_tf.data import zero_copy
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError

# Increase it when the same files are decoded to other pixels than before, or
# when the format of the entries changes.
_VERSION = 2
_DECODERS = "tensorflow", "pillow", "pillow-heif"
_CRC_BYTES = 4
_HIGHEST_RANK = 4
LEAST_BYTES = 16 * 2**20  # Smaller sets of images are decoded very quickly.
MOST_BYTES = 4 * 2**30  # The total size of all entries.


def identity(sources: Iterable[bytes], *more: object) -> str | None:
    """Names images after the current state of the files they come from.

    Args:
        sources: The paths of the files, in order.
        *more: Further values that the images depend on; their `repr` becomes
            part of the name.

    Returns:
        A name for `recall` and `keep`, or None if a file is not on this
        machine's file system.
    """
    digest = hashlib.sha256()
    try:
        for path in sources:
            state = os.stat(path)
            path = os.path.abspath(path)
            times = state.st_mtime_ns, state.st_ctime_ns
            parts = path, state.st_size, state.st_ino, *times
            digest.update(f"{parts}\n".encode())
    except OSError:
        return None
    versions = [_version(name) for name in _DECODERS]
    digest.update(repr((_VERSION, versions, more)).encode())
    return digest.hexdigest()


def recall(name: str) -> np.ndarray | None:
    """Reads an entry that `keep` wrote.

    Args:
        name: The name of the entry, from `identity`.

    Returns:
        The array that was given to `keep`, uint8 of any shape, or None if
        there is no valid entry.
    """
    directory = _directory()
    if directory is None:
        return None
    path = directory / name
    try:
        with open(path, "rb") as file:
            array = _read(file, path.stat().st_size)
        os.utime(path)  # Marks it as the most recently used entry.
    except (OSError, struct.error):
        return None
    return array


def keep(name: str, array: np.ndarray, least: int | None = None) -> None:
    """Writes decoded images to the cache, unless they are too few or too many.

    Args:
        name: The name of the entry, from `identity`.
        array: uint8 of any shape, not empty. It is not written if it exceeds
            `MOST_BYTES`.
        least: The smallest size in bytes that is written; None takes
            `LEAST_BYTES`.
    """
    directory = _directory()
    least = LEAST_BYTES if least is None else least
    if directory is None or not least <= array.nbytes <= MOST_BYTES:
        return
    head = _header(array)
    data = np.ascontiguousarray(array).data.cast("B")
    checksum = zlib.crc32(data, zlib.crc32(head))

    def fill(file: BinaryIO) -> None:
        for part in (head, data, checksum.to_bytes(_CRC_BYTES)):
            file.write(part)

    with contextlib.suppress(OSError, InputError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_room(directory, array.nbytes)
        atomic_files.write(directory / name, fill)


def _header(array: np.ndarray) -> bytes:
    """Returns the header of an entry: the rank and shape of its array."""
    return struct.pack(f"<{1 + array.ndim}q", array.ndim, *array.shape)


def _read(file: io.BufferedReader, size: int) -> np.ndarray | None:
    """Reads an entry of `size` bytes, or returns None if it is damaged."""
    head = file.read(8)
    (rank,) = struct.unpack("<q", head)
    if not 0 < rank <= _HIGHEST_RANK:
        return None
    head += file.read(8 * rank)
    shape = struct.unpack(f"<{rank}q", head[8:])
    # A damaged shape may be huge, so it is checked before memory is allocated.
    amount = math.prod(shape)
    if min(shape) < 1 or len(head) + amount + _CRC_BYTES != size:
        return None
    array = zero_copy.empty(shape)
    data = array.data.cast("B")
    if file.readinto(data) < amount:
        return None
    checksum = zlib.crc32(data, zlib.crc32(head))
    expected = int.from_bytes(file.read(_CRC_BYTES))
    return array if checksum == expected else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _directory() -> pathlib.Path | None:
    """Returns the directory of the entries, or None if there is no home."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache, "and_tf") if os.path.isabs(cache) else None


def _make_room(directory: pathlib.Path, size: int) -> None:
    """Removes the least recently used entries until `size` bytes fit."""
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
