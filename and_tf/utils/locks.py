"""Locks files with the operating system's locks, which end with a process.

They are `flock`s on open files. Where these do not exist, as on Windows and on
some network file systems, everything goes on without locks.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import time
from collections.abc import Iterator

from and_tf.utils.errors import InputError

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

PATIENCE = 60.0  # Seconds; what is done under such a lock takes milliseconds.
_POLL = 0.01
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def hold(descriptor: int) -> None:
    """Locks an open file or directory for as long as it is open.

    It waits for other holders, and does nothing where there are no locks.
    """
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_free(descriptor: int) -> bool | None:
    """Takes the lock of an open file or directory if it is free.

    Returns:
        Whether the lock was free; None where there are no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def exclusive(path: pathlib.Path, patience: float = PATIENCE) -> Iterator[None]:
    """Keeps other processes and threads from changing a file in a block.

    It is for a block that reads a file, changes it and writes it again. The
    lock is on another file beside it, `.<name>.lock`, which stays: the file
    itself is replaced, and a lock on it would end with the old one.

    Args:
        path: The file; its directory has to exist.
        patience: The time to wait for others, in seconds.

    Raises:
        InputError: If another process does not release the lock in time, or
            the lock file cannot be made.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        descriptor = _open(lock)
    except OSError as error:
        raise InputError(
            f"{lock} cannot be written: {error.strerror}. Make room or change "
            "the rights of the directory, then run it again."
        ) from error
    try:
        deadline = time.monotonic() + patience
        while is_free(descriptor) is False:
            if time.monotonic() > deadline:
                raise InputError(
                    f"Another process has kept {path} locked for {patience:g} "
                    "s. End that process, then run this again."
                )
            time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def _open(lock: pathlib.Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
    except PermissionError:  # Another user's file, which we may read.
        return os.open(lock, os.O_RDONLY | _NO_LINK)
