"""Opens the files of readers: the one place in which they do.

What a reader asks of a file is that it is there, how large it is, and some of
its bytes. Only ArrayRecord's library opens files itself, and NumPy maps arrays
into memory. Each read opens the file anew, which takes a thirtieth of a
millisecond, so that any number of threads read any number of files, and no
limit of open files is met.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable
from typing import BinaryIO

from and_tf.data.pixel_budget import MOST_PIXELS
from and_tf.data.walking import Refused, hidden, utf8
from and_tf.utils import archives
from and_tf.utils.errors import InputError

# An image that is not compressed has 3 or 4 bytes a pixel.
MOST_BYTES = 4 * MOST_PIXELS
MOST_ROWS = 100_000_000  # A claim of more is taken for damage.
_MOST_FILES = 1_000_000  # That the braces of a pattern may stand for.
_BRACES = re.compile(r"\{(?:(\d{1,12})\.\.(\d{1,12})|([^{}]*,[^{}]*))\}")
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def is_file(path: str) -> bool:
    """Returns whether an ordinary file is there, or a link to one."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # ValueError: a name with a zero byte.
        return False


def opened(path: str) -> BinaryIO:
    """Opens a file for reading.

    Raises:
        Refused: If it is no ordinary file: a pipe would never end.
        OSError: If it is not there, or must not be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Refused("that are no ordinary files")
    return open(path, "rb")


def size_of(path: str) -> int:
    """Returns the size of a file in bytes."""
    return os.stat(path).st_size


def read_file(path: str) -> bytes:
    """Reads the file of one image.

    Raises:
        Refused: If it is no ordinary file, or larger than any image.
        OSError: If it cannot be read.
    """
    with opened(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Refused(f"of more than {MOST_BYTES:,} bytes")
    return content


def read_part(path: str, offset: int, size: int) -> bytes:
    """Reads some bytes of a file.

    Args:
        path: The file.
        offset: The position of the first byte.
        size: The number of bytes.

    Raises:
        Refused: If they are more than any image has.
        OSError: If the file cannot be read, or ends before.
    """
    if size > MOST_BYTES:
        raise Refused(f"of more than {MOST_BYTES:,} bytes")
    with opened(path) as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise OSError(f"{path} ends before byte {offset + size:,}")
    return content


def check_file(path: str, wanted: str) -> None:
    """Checks that a file is there and not compressed as a whole.

    Args:
        path: The file.
        wanted: The words for the file that is expected, such as "a .tar file".

    Raises:
        InputError: If it is not there, cannot be read, is empty or is
            compressed, as nothing in the middle of it could then be read.
    """
    try:
        with opened(path) as file:
            head = file.read(8)
    except (OSError, ValueError) as error:
        raise refused(path, wanted, error) from error
    if not head:
        raise refused(path, wanted, "which is empty")
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            why = f"which is compressed by {name}. Unpack it first"
            raise refused(path, wanted, why)


def refused(
    path: str, wanted: str, why: str | BaseException, advice: str = ""
) -> InputError:
    """Makes the error for a file that is not what is expected.

    Args:
        path: The file.
        wanted: The words for the file that is expected.
        why: What is wrong with it, or the error that it has caused.
        advice: What to do, in a sentence.
    """
    words = why if isinstance(why, str) else archives.why(why)
    told = f"Expected {wanted} as --data_dir. Received: {utf8(path)}, {words}."
    return InputError(f"{told} {advice}".rstrip())


def expand(pattern: str) -> list[str]:
    """Returns the files that a pattern stands for, in sorted order.

    Args:
        pattern: A path with `*`, `?`, `[…]` and `**` as in a shell, and with
            braces as in "train-{0000..0010}.tar" or "{a,b}.tar".

    Raises:
        InputError: If the braces stand for too many files.
    """
    found: list[str] = []
    for path in braces(pattern):
        found += glob.glob(path, recursive=True)
    return sorted(path for path in set(found) if is_file(path))


def below(root: str) -> list[str]:
    """Returns all files below a directory that are not hidden, sorted."""
    found = []
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not hidden(name)]
        found += [os.path.join(place, name) for name in names]
    return sorted(
        path
        for path in found
        if not hidden(os.path.basename(path)) and is_file(path)
    )


def has_magic(pattern: str) -> bool:
    """Returns whether a path is a pattern that `expand` takes."""
    return glob.has_magic(pattern) or braces(pattern) != [pattern]


def braces(pattern: str) -> list[str]:
    """Replaces braces by what they stand for, as a shell does.

    Raises:
        InputError: If they stand for too many files.
    """
    found = _BRACES.search(pattern)
    if not found:
        return [pattern]
    first, last, choice = found.groups()
    rest = braces(pattern[found.end() :])
    parts: Iterable[str]
    if choice is None:
        numbers = range(int(first), int(last) + 1)
        count = len(numbers)
        parts = (f"{number:0{len(first)}}" for number in numbers)
    else:
        parts = choice.split(",")
        count = len(parts)
    if count * len(rest) > _MOST_FILES:
        raise InputError(
            f"Expected a pattern of at most {_MOST_FILES:,} files. Received: "
            f"{pattern!r}."
        )
    head = pattern[: found.start()]
    return [head + part + tail for part in parts for tail in rest]
