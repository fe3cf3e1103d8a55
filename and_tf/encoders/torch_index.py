"""Reads the pickled index of a PyTorch file, and runs nothing that it names.

A PyTorch file is a pickle that describes tensors, and their numbers beside
it. A pickle is a program: it may call any function, and even its harmless
instructions can be made to take hours or all memory. So the few instructions
that torch writes are carried out here, and everything else is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

# A model of a thousand tensors takes fifty thousand instructions.
MOST_INSTRUCTIONS = 2_000_000
DTYPES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "DoubleStorage": "float64",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class RefusedError(ValueError):
    """An error for a file that asks for more than tensors."""


class Name(NamedTuple):
    """A function or class that a pickle names; it is never imported."""

    module: str
    name: str


class Storage(NamedTuple):
    """Numbers that are stored in a row.

    Attributes:
        dtype: One of the values of `DTYPES`.
        key: The name of the numbers in the file.
        length: How many there are.
    """

    dtype: str
    key: str
    length: int


class Tensor(NamedTuple):
    """A tensor in a storage, unchecked.

    Attributes:
        storage: Its numbers.
        offset: The place of its first number.
        shape: Its shape.
        strides: The steps between neighbours of each axis, in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def load(stream: BinaryIO) -> Any:
    """Reads one pickle.

    Args:
        stream: A file at the first byte of the pickle. It is left at the first
            byte behind it.

    Returns:
        The object: numbers, texts, lists, tuples, dictionaries, and `Tensor`s.

    Raises:
        RefusedError: If the pickle has anything else in it.
        ValueError, LookupError, TypeError: If the pickle is damaged.
    """
    machine = _Machine()
    for number, (opcode, argument, _) in enumerate(
        pickletools.genops(stream), start=1
    ):
        if number > MOST_INSTRUCTIONS:
            raise RefusedError(f"more than {MOST_INSTRUCTIONS:,} instructions")
        machine.run(opcode.name, argument)
    (value,) = machine.stack
    return value


class _Machine:
    """The stack of a pickle, and the instructions that torch writes."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, opcode: str, argument: Any) -> None:
        """Carries out one instruction."""
        if opcode in _NOTHING:
            return
        if opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _TUPLES:
            self.stack.append(tuple(self._pop(_TUPLES[opcode])))
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self.stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif opcode in _OTHERS:
            _OTHERS[opcode](self, argument)
        else:
            raise RefusedError(f"the instruction {opcode}")

    def _pop(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("too few values")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def _pop_marked(self) -> list[Any]:
        return self._pop(max(0, len(self.stack) - self._marks.pop()))

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self.stack))

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._pop_marked()))

    def _append(self, _: Any) -> None:
        self._extend_list(self._pop(1))

    def _appends(self, _: Any) -> None:
        self._extend_list(self._pop_marked())

    def _extend_list(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError("values for something that is no list")
        self.stack[-1].extend(values)

    def _set_item(self, _: Any) -> None:
        self._set(self._pop(2))

    def _set_items(self, _: Any) -> None:
        self._set(self._pop_marked())

    def _set(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise TypeError("entries for something that is no dictionary")
        self.stack[-1].update(_entries(zip(values[::2], values[1::2])))

    def _global(self, argument: str) -> None:
        self.stack.append(Name(*argument.split(" ", 1)))

    def _stack_global(self, _: Any) -> None:
        module, name = self._pop(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is no text")
        self.stack.append(Name(module, name))

    def _persistent(self, _: Any) -> None:
        (identity,) = self._pop(1)
        self.stack.append(_storage(*identity))

    def _call(self, _: Any) -> None:
        function, arguments = self._pop(2)
        if not isinstance(function, Name) or function not in _FUNCTIONS:
            raise RefusedError(_shown(function))
        self.stack.append(_FUNCTIONS[function](*arguments))

    def _build(self, _: Any) -> None:
        """Leaves out the attributes of a dictionary, the versions of layers."""
        self._pop(1)
        if type(self.stack[-1]) is not dict:
            raise RefusedError("the state of an object")


_NOTHING = {"PROTO", "FRAME", "STOP"}
_VALUES = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE",
    "BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OTHERS = {
    "MARK": _Machine._mark,
    "MEMOIZE": _Machine._memoize,
    "TUPLE": _Machine._tuple,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "BINPERSID": _Machine._persistent,
    "REDUCE": _Machine._call,
    "BUILD": _Machine._build,
}


# Neither the hash nor the `repr` of any value is taken before its type is
# known: those of nested tuples could take for ever.


def _entries(pairs: Any) -> dict[Any, Any]:
    found = {}
    for key, value in pairs:
        if not isinstance(key, str | int):
            raise TypeError("a key that is neither text nor a number")
        found[key] = value
    return found


def _storage(kind: Any, storage: Any, key: Any, _: Any, length: Any,
             view: Any = None) -> Storage:  # fmt: skip
    """Reads the identity of a storage: its device does not matter."""
    if kind != "storage" or not isinstance(storage, Name):
        raise RefusedError("an object that is no storage")
    if storage.module != "torch" or storage.name not in DTYPES:
        raise RefusedError(_shown(storage))
    if view is not None:
        raise RefusedError("a storage that is part of another one")
    if not isinstance(key, str) or type(length) is not int or length < 0:
        raise TypeError("a storage without a key or a size")
    return Storage(DTYPES[storage.name], key, length)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any,
            *_: Any) -> Tensor:  # fmt: skip
    """Reads what a tensor is; whether it requires gradients is left out."""
    if not isinstance(storage, Storage):
        raise TypeError("a tensor without a storage")
    numbers = (offset, *shape, *strides)
    if any(type(number) is not int for number in numbers):
        raise TypeError("a tensor whose sizes are no whole numbers")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _parameter(tensor: Any, *_: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError("a parameter without a tensor")
    return tensor


def _shown(name: Any) -> str:
    if isinstance(name, Name):
        return f"{name.module}.{name.name}"
    return f"a call of {type(name).__name__}"


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    Name("collections", "OrderedDict"): lambda pairs=(): _entries(pairs),
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
}
