"""Reads .npz files and says what damage means, in one place for all readers.

A flipped bit in a zip file is answered with almost any kind of exception: of
zipfile and zlib, of the parser of NumPy's headers, or of Python's own.
"""

from __future__ import annotations

import lzma
import pathlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

# RuntimeError: also NotImplementedError and RecursionError, and what zipfile
# says of encrypted members. ValueError: also JSON's and Unicode's errors.
# LookupError: KeyError, IndexError and encodings that do not exist.
DAMAGE = (
    OSError, ValueError, LookupError, EOFError, TypeError, AttributeError,
    RuntimeError, MemoryError, OverflowError, SyntaxError, struct.error,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


def why(error: BaseException) -> str:
    """Says in a few words what a reader met.

    Args:
        error: One of `DAMAGE`.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "pickle" in str(error):
        # NumPy takes what is no archive for a pickle, and advises to open it.
        return "it is no archive of plain arrays"
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    words = first[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


# What an array should be: the `kind`s of NumPy types that it may have, such as
# "iu" for integers, and how many dimensions.
Expected = tuple[str, int]


def read(
    file: pathlib.Path | BinaryIO, expected: Mapping[str, Expected]
) -> tuple[np.ndarray, ...]:
    """Reads arrays of an .npz file, without pickle; each CRC is checked.

    Args:
        file: The file.
        expected: What the arrays that are wanted should be, by their names.

    Returns:
        The arrays, in the order of their names.

    Raises:
        DAMAGE: Whatever damage is answered with, or an array of another type
            or number of dimensions; `why` puts it into words.
    """
    with np.load(file, allow_pickle=False) as data:
        arrays = {name: data[name] for name in expected}
    for name, (kinds, rank) in expected.items():
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != rank:
            raise ValueError(f"{name} is {array.dtype} {list(array.shape)}")
    return tuple(arrays.values())


def check_rows(size: int, numbers: np.ndarray) -> None:
    """Checks numbers that say which of some rows are meant.

    Args:
        size: How many rows there are.
        numbers: integer, of any shape.

    Raises:
        ValueError: If there are no such rows, which is one of `DAMAGE`.
    """
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < size:
        raise ValueError(
            f"numbers {numbers.min()} to {numbers.max()} of {size} rows"
        )
