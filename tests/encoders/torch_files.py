"""Writes PyTorch's two formats of files by Python's own pickle and zipfile."""

from __future__ import annotations

import dataclasses
import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C  # As torch/serialization.py has it.
SYSTEM = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


@dataclasses.dataclass(frozen=True)
class Stored:
    """A tensor as it is pickled.

    Attributes:
        kind: The name of the storage's class.
        values: The numbers of the storage, [length], as they are stored.
        shape: The shape of the tensor.
        strides: Its strides, in numbers.
        offset: The place of its first number.
        key: The key of the storage; tensors with one key share their numbers.
        length: The number of numbers that is claimed; as many as there are by
            default.
        parameter: Whether it is a parameter around a tensor.
    """

    kind: str
    values: np.ndarray
    shape: Sequence[int]
    strides: Sequence[int]
    offset: int = 0
    key: str = "0"
    length: int | None = None
    parameter: bool = False

    def __reduce__(self) -> tuple[Any, tuple]:
        utils = sys.modules["torch._utils"]
        if self.parameter:
            inner = dataclasses.replace(self, parameter=False)
            return utils._rebuild_parameter, (inner, True, OrderedDict())
        return utils._rebuild_tensor_v2, (
            _Storage(self),
            self.offset,
            tuple(self.shape),
            tuple(self.strides),
            False,
            OrderedDict(),
        )


def stored(kind: str, values: np.ndarray, key: str = "0") -> Stored:
    """Makes a tensor that is all of its storage, in the order of rows."""
    steps = [stride // values.itemsize for stride in values.strides]
    return Stored(kind, values.ravel(), values.shape, steps, key=key)


class _Storage:
    def __init__(self, tensor: Stored) -> None:
        self.tensor = tensor


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, _Storage):
            return None
        tensor = value.tensor
        length = len(tensor.values) if tensor.length is None else tensor.length
        kind = getattr(sys.modules["torch"], tensor.kind)
        return "storage", kind, tensor.key, "cpu", length


def pickled(value: Any) -> bytes:
    """Pickles a value, with tensors in it, as torch does."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    kinds = "Float Half Double BFloat16 Long Int Byte Bool ComplexFloat"
    for name in (f"{kind}Storage" for kind in kinds.split()):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        function = types.FunctionType((lambda: None).__code__, {}, name)
        function.__module__ = "torch._utils"
        function.__qualname__ = name
        setattr(utils, name, function)
    buffer = io.BytesIO()
    modules = {"torch": torch, "torch._utils": utils}
    with mock.patch.dict(sys.modules, modules):
        _Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def stream(index: Any, tensors: Sequence[Stored]) -> bytes:
    """Writes the format of torch before 1.6."""
    numbers = _numbers(tensors)
    parts = [
        *(pickle.dumps(value, protocol=2) for value in (MAGIC, 1001, SYSTEM)),
        pickled(index),
        pickle.dumps(sorted(numbers), protocol=2),
    ]
    for key in sorted(numbers):
        parts += [struct.pack("<q", len(numbers[key])), numbers[key].tobytes()]
    return b"".join(parts)


def archive(index: Any, tensors: Sequence[Stored], method: int = 0) -> bytes:
    """Writes the format of torch from 1.6 on."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("model/data.pkl", pickled(index))
        file.writestr("model/byteorder", "little")
        for key, values in _numbers(tensors).items():
            file.writestr(f"model/data/{key}", values.tobytes())
        file.writestr("model/version", "3\n")
    return buffer.getvalue()


FORMATS = {"stream": stream, "archive": archive}


def written(name: str, state: Mapping[str, Any]) -> bytes:
    """Writes a state dict in the format of that name."""
    tensors = [v for v in state.values() if isinstance(v, Stored)]
    return FORMATS[name](OrderedDict(state), tensors)


def _numbers(tensors: Sequence[Stored]) -> dict[str, np.ndarray]:
    return {tensor.key: tensor.values for tensor in tensors}
