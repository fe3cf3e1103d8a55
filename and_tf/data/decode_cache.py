"""Decoded images on the disk, where later processes find them.

Decoding is most of what a process waits for before its first step. An entry
is known by the files that it was made of, as these are: their sizes, places
on the disk, and times of change, the one too that no program can set. So what
has changed is decoded anew. An entry carries a checksum, and one that is
damaged is none. What is used least recently makes room for what is new.
Nothing here is ever needed: where there is no right to write, no room or no
whole entry, images are decoded.
"""

from __future__ import annotations

import contextlib
import hashlib
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

# To be raised when the same files give other pixels than before, or when
# entries are written otherwise.
_VERSION = 2
_DECODERS = "tensorflow", "pillow", "pillow-heif"
_CRC_BYTES = 4
_HIGHEST_RANK = 4
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
            times = state.st_mtime_ns, state.st_ctime_ns
            parts = path, state.st_size, state.st_ino, *times
            digest.update(f"{parts}\n".encode())
    except OSError:
        return None
    versions = [_version(name) for name in _DECODERS]
    digest.update(repr((_VERSION, versions, more)).encode())
    return digest.hexdigest()


def recall(name: str) -> np.ndarray | None:
    """Reads what was kept.

    Args:
        name: Of `identity`.

    Returns:
        uint8 of any shape, as `keep` took it; None where there is no whole
        entry.
    """
    directory = _directory()
    if directory is None:
        return None
    path = directory / name
    try:
        with open(path, "rb") as file:
            array = _read(file, path.stat().st_size)
        os.utime(path)  # It was used last.
    except (OSError, struct.error):
        return None
    return array


def keep(name: str, array: np.ndarray, least: int | None = None) -> None:
    """Keeps decoded images, unless they are few or more than all may be.

    Args:
        name: Of `identity`.
        array: uint8 of any shape, not empty.
        least: Bytes below which it is not kept; None is `LEAST_BYTES`.
    """
    directory = _directory()
    least = LEAST_BYTES if least is None else least
    if directory is None or not least <= array.nbytes <= MOST_BYTES:
        return
    head = _header(array)
    data = memoryview(np.ascontiguousarray(array)).cast("B")
    checksum = zlib.crc32(data, zlib.crc32(head))

    def fill(file: BinaryIO) -> None:
        for part in (head, data, checksum.to_bytes(_CRC_BYTES)):
            file.write(part)

    with contextlib.suppress(OSError, InputError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_room(directory, array.nbytes)
        atomic_files.write(directory / name, fill)


def _header(array: np.ndarray) -> bytes:
    """What stands before an array's data: its rank and shape."""
    return struct.pack(f"<{1 + array.ndim}q", array.ndim, *array.shape)


def _read(file: BinaryIO, size: int) -> np.ndarray | None:
    """Reads an entry of `size` bytes; None where it is damaged."""
    head = file.read(8)
    (rank,) = struct.unpack("<q", head)
    if not 0 < rank <= _HIGHEST_RANK:
        return None
    head += file.read(8 * rank)
    shape = struct.unpack(f"<{rank}q", head[8:])
    # Before there is memory for it: a shape may be what is damaged.
    amount = math.prod(shape)
    if min(shape) < 1 or len(head) + amount + _CRC_BYTES != size:
        return None
    array = zero_copy.empty(shape)
    data = memoryview(array).cast("B")
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
