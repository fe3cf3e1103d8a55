"""Reads .npz files, and lists the exceptions that a damaged file raises.

A flipped bit in a zip file may raise almost any kind of exception: one of
zipfile or zlib, one of the parser of NumPy's headers, or a built-in one.
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

# RuntimeError: also NotImplementedError and RecursionError, and zipfile's error
# for encrypted members. ValueError: also JSON's and Unicode's errors.
# LookupError: KeyError, IndexError and encodings that do not exist.
DAMAGE = (
    OSError, ValueError, LookupError, EOFError, TypeError, AttributeError,
    RuntimeError, MemoryError, OverflowError, SyntaxError, struct.error,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


def why(error: BaseException) -> str:
    """Describes in a few words why a file cannot be read.

    Args:
        error: The exception, one of `DAMAGE`.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "pickle" in str(error):
        # NumPy takes any other file for a pickle, and advises to load it.
        return "it is no archive of plain arrays"
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    words = first[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


# The form that an array should have: the allowed `kind`s of NumPy dtypes, such
# as "iu" for integers, and the number of dimensions.
Expected = tuple[str, int]


def read(
    file: pathlib.Path | BinaryIO, expected: Mapping[str, Expected]
) -> tuple[np.ndarray, ...]:
    """Reads arrays of an .npz file, without pickle; each CRC is checked.

    Args:
        file: The file.
        expected: The form that each array should have, by name.

    Returns:
        The arrays, in the order of `expected`.

    Raises:
        DAMAGE: If the file is damaged, or an array has another dtype or number
            of dimensions; `why` puts it into words.
    """
    with np.load(file, allow_pickle=False) as data:
        arrays = {name: data[name] for name in expected}
    for name, (kinds, rank) in expected.items():
        array = arrays[name]
        if array.dtype.kind not in kinds or array.ndim != rank:
            raise ValueError(f"{name} is {array.dtype} {list(array.shape)}")
    return tuple(arrays.values())


def check_rows(size: int, numbers: np.ndarray) -> None:
    """Checks that numbers of rows are in range.

    Args:
        size: The number of rows that exist.
        numbers: The numbers of rows, integers of any shape.

    Raises:
        ValueError: If a row does not exist; the error is one of `DAMAGE`.
    """
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < size:
        raise ValueError(
            f"numbers {numbers.min()} to {numbers.max()} of {size} rows"
        )
