"""Reads the state dict of a PyTorch file without PyTorch.

`torch.save` writes one of two formats. Until 1.6 it was a stream: three pickles
that say so, the pickled index, the pickled list of the storages' keys, and for
each of these a count of 8 bytes and the raw numbers. Since then it is a zip
archive with the index in data.pkl and the raw numbers in data/<key>.

Nothing in a file is run: see `torch_index`.
"""

from __future__ import annotations

import io
import math
import pathlib
import struct
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np

from and_tf.encoders import torch_index
from and_tf.encoders.torch_index import RefusedError, Storage, Tensor
from and_tf.utils.archives import DAMAGE, why
from and_tf.utils.errors import InputError

SUFFIXES = (".pth", ".pt")
MAGIC = 0x1950A86A20F9469CFC6C  # Of the stream.
PROTOCOL = 1001
_NESTED = ("state_dict", "model_state_dict", "model")
_MOST_AXES = 32
_PARALLEL = "module."  # The prefix that torch's DataParallel gives to names.


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a state dict.

    A dictionary with a state dict at "state_dict", "model_state_dict" or
    "model" is taken for that, and its other entries are left out, as are
    entries of a state dict that are no tensors. The prefix "module." of all
    names is left out.

    Args:
        path: A file that `torch.save` wrote.

    Returns:
        The arrays by name, in the order of the file. They cannot be written
        to, and share memory where the tensors do. bfloat16 becomes float32,
        which has the same values.

    Raises:
        InputError: If the file cannot be read, is damaged, or has anything but
            tensors in it.
    """
    try:
        return _read(path.read_bytes())
    except RefusedError as error:
        raise InputError(
            f"Expected a PyTorch file of tensors alone at {path}. Received one "
            f"with {error}; nothing else is read, as it could run any code. "
            "Save model.state_dict() with torch.save, and give that file."
        ) from error
    except DAMAGE as error:
        raise InputError(
            f"Expected a PyTorch file with a state dict at {path}. It cannot "
            f"be read ({why(error)}): it is damaged, incomplete or of another "
            "kind."
        ) from error


def _read(content: bytes) -> dict[str, np.ndarray]:
    if content[:2] == b"PK":
        index, storages = _read_archive(content)
    else:
        index, storages = _read_stream(content)
    return {
        name: _array(tensor, storages) for name, tensor in _state(index).items()
    }


def _read_stream(content: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """Reads the older format: the index, and the numbers by key."""
    stream = io.BytesIO(content)
    if not _begins(stream):
        raise ValueError("it does not begin as one")
    if torch_index.load(stream) != PROTOCOL:
        raise ValueError("its protocol is unknown")
    if not torch_index.load(stream).get("little_endian"):
        raise ValueError("its numbers are big-endian")
    index = torch_index.load(stream)
    declared, storages = _declared(index), {}
    for key in torch_index.load(stream):
        if not isinstance(key, str):
            raise ValueError("a key of a storage is no text")
        storage = declared[key]
        (length,) = struct.unpack("<q", stream.read(8))
        if length != storage.length:
            raise ValueError(f"{length} numbers, and not {storage.length}")
        start = stream.tell()
        storages[key] = _numbers(memoryview(content)[start:], storage)
        stream.seek(start + storage.length * _itemsize(storage))
    return index, storages


def _begins(stream: BinaryIO) -> bool:
    try:
        return torch_index.load(stream) == MAGIC
    except RefusedError:  # A file of any kind has instructions by accident.
        return False


def _read_archive(content: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """Reads the newer format: the index, and the numbers by key."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        # torch stores; what claims to be more than the file would be a bomb.
        if any(member.compress_type for member in members):
            raise ValueError("its members are compressed")
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("its members are larger than the file")
        names = {member.filename for member in members}
        root = _root(names)
        order = f"{root}byteorder"
        if order in names and archive.read(order) != b"little":
            raise ValueError("its numbers are big-endian")
        index = torch_index.load(io.BytesIO(archive.read(f"{root}data.pkl")))
        storages = {
            key: _numbers(memoryview(archive.read(f"{root}data/{key}")), each)
            for key, each in _declared(index).items()
        }
    return index, storages


def _root(names: Iterable[str]) -> str:
    """Returns the directory that an archive has everything in."""
    found = [n for n in names if n.count("/") == 1 and n.endswith("/data.pkl")]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} indices data.pkl, and not 1")
    return found[0].removesuffix("data.pkl")


def _declared(index: Any) -> dict[str, Storage]:
    """Returns the storages of all tensors in an index, by key."""
    found: dict[str, Storage] = {}
    waiting, seen = [index], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            storage = value.storage
            if found.setdefault(storage.key, storage) != storage:
                raise ValueError(f"two storages {storage.key!r}")
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value
    return found


def _itemsize(storage: Storage) -> int:
    if storage.dtype == "bfloat16":  # Which NumPy does not have.
        return 2
    return np.dtype(storage.dtype).itemsize


def _numbers(content: memoryview, storage: Storage) -> np.ndarray:
    """Reads the numbers of a storage, [length], from its first byte on."""
    size = storage.length * _itemsize(storage)
    if size > len(content):
        raise ValueError(
            f"{len(content)} bytes in the place of {size} for {storage.key!r}"
        )
    if storage.dtype == "bfloat16":  # The upper half of a float32.
        halves = np.frombuffer(content[:size], "<u2").astype("<u4")
        numbers = (halves << 16).view(np.float32)
    elif storage.dtype == "bool":  # Any byte but 0 is true.
        numbers = np.frombuffer(content[:size], np.uint8) != 0
    else:
        numbers = np.frombuffer(content[:size], storage.dtype)
    numbers.flags.writeable = False
    return numbers


def _state(index: Any) -> dict[str, Tensor]:
    """Returns the tensors of a state dict, or of one inside a dictionary."""
    if not isinstance(index, dict):
        raise ValueError(f"it holds a {type(index).__name__}")
    for inner in (*(index.get(key) for key in _NESTED), index):
        if isinstance(inner, dict):
            found = {
                name: value
                for name, value in inner.items()
                if isinstance(name, str) and isinstance(value, Tensor)
            }
            if found:
                return _without_prefix(found)
    raise ValueError(f"it holds no tensors but {list(index)[:8]}")


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    if all(name.startswith(_PARALLEL) for name in state):
        return {n.removeprefix(_PARALLEL): t for n, t in state.items()}
    return state


def _array(tensor: Tensor, storages: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns a tensor's view of its storage, which it may not leave."""
    numbers, shape, strides = storages[tensor.storage.key], *tensor[2:]
    if len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise ValueError(f"a shape {shape[:8]} with strides {strides[:8]}")
    if min((tensor.offset, *shape, *strides)) < 0:
        raise ValueError(f"a negative size, step or place in {tensor[1:]}")
    count = math.prod(shape)
    last = tensor.offset + sum(
        (side - 1) * step for side, step in zip(shape, strides)
    )
    # Without the first condition, a step of 0 would make any size of a number.
    if count > len(numbers) or (count and last >= len(numbers)):
        raise ValueError(
            f"a shape {shape[:8]} that reaches past {len(numbers)} numbers"
        )
    if not count:
        return np.empty(shape, numbers.dtype)
    return np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :],
        shape,
        [step * numbers.itemsize for step in strides],
        writeable=False,
    )
