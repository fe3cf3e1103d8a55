"""Keeps what takes long to find in files, in the cache of decoded images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np

from and_tf.data import decode_cache

T = TypeVar("T")


def kept(
    files: Sequence[str],
    what: Sequence[object],
    schema: type[T],
    compute: Callable[[], T],
) -> T:
    """Returns a value that follows from files, from the cache if it is there.

    Args:
        files: The files; if one of them changes, the value is computed again.
        what: A name for the value, and all that it depends on beside.
        schema: The type of the value, as msgspec reads it.
        compute: Computes the value.
    """
    name = decode_cache.identity(map(os.fsencode, files), *what)
    entry = None if name is None else decode_cache.recall(name)
    if entry is not None:
        try:
            return msgspec.msgpack.decode(entry.tobytes(), type=schema)
        except msgspec.MsgspecError:
            pass  # It is of another version, and is written anew.
    value = compute()
    if name is not None:
        content: Any = msgspec.msgpack.encode(value)
        decode_cache.keep(name, np.frombuffer(content, np.uint8), least=0)
    return value
