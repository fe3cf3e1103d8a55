"""Makes files and directories under temporary names until they are whole.

The names are random, so that nobody can guess one and put a link there first.
A process holds a lock while it writes, so that others can tell its files from
those that a killed process left behind.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from typing import BinaryIO

from and_tf.utils import locks

# The names of earlier versions, by the process' number, match too.
_OURS = re.compile(r"\.(?:.*\.)?(?:[0-9a-f]{32}|[0-9]+)\.tmp", re.DOTALL)
_NAME_SHOWN = 32  # Characters of the final name, for people to recognise.
_DEAD_AFTER = 86_400.0  # Seconds without a change, if there are no locks.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(
    os, "O_NONBLOCK", 0
)  # fmt: skip


def name_beside(path: pathlib.Path) -> pathlib.Path:
    """Returns a random name in the directory of a file to be written."""
    shown = path.name[:_NAME_SHOWN].strip(".")
    return path.with_name(f".{shown}.{secrets.token_hex(16)}.tmp")


def create(path: pathlib.Path) -> BinaryIO:
    """Opens a new, locked file beside a path.

    Args:
        path: The path that the file is to have when it is whole.

    Returns:
        The file; its `name` is its temporary path.

    Raises:
        OSError: If the file cannot be made.
    """
    while True:
        file = open(name_beside(path), "xb", opener=_open)
        locks.hold(file.fileno())
        if _is_at(file.fileno(), file.name):
            return file
        file.close()  # `sweep` removed it before it was locked.


@contextlib.contextmanager
def directory(parent: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes a new, locked directory that is removed unless it is renamed.

    Unlike those of `tempfile`, other users may read it.

    Args:
        parent: The directory in which it is made.

    Raises:
        OSError: If the directory cannot be made.
    """
    while True:
        path = parent / f".{secrets.token_hex(16)}.tmp"
        path.mkdir()
        descriptor = os.open(path, _READ)
        locks.hold(descriptor)
        if _is_at(descriptor, path):
            break
        os.close(descriptor)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def sweep(parent: pathlib.Path, *, deep: bool = True) -> None:
    """Removes the temporary files of killed processes from a directory.

    Files that a running process writes stay, and so do files of other names.

    Args:
        parent: The directory.
        deep: Whether to look into directories below it too.
    """
    names = ".*.tmp"
    for path in list(parent.rglob(names) if deep else parent.glob(names)):
        if _OURS.fullmatch(path.name):
            with contextlib.suppress(OSError):  # Gone, or another user's.
                _remove_if_dead(path)


def _remove_if_dead(path: pathlib.Path) -> None:
    descriptor = os.open(path, _READ)
    try:
        free = locks.is_free(descriptor)
        if free is None:
            changed = os.fstat(descriptor).st_mtime
            free = time.time() - changed > _DEAD_AFTER
        if free and path.is_dir():
            shutil.rmtree(path)
        elif free:
            path.unlink()
    finally:
        os.close(descriptor)


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _is_at(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Returns whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
