"""Counts the runs on each GPU by locked files, the slots.

A slot of a GPU is the file <GPU>.slot_<i>. It is taken while a process has it
locked. Its content is the --runs_per_gpu of the sweep that locked it last. The
files are never removed: if a process removed one that another is about to
lock, two processes could hold the same slot.

All files are in one directory below the system's directory for temporary
files. Its name is predictable, so another user might make it first, or put a
link there. It is used only if it is a directory that belongs to this user and
that other users cannot access.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import stat
import tempfile
from collections.abc import Iterator

from and_tf.utils.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has no fcntl.
    fcntl = None  # type: ignore[assignment]

_GATE = "gate"


class SlotFiles:
    """The open directory of the slots; see `opened`.

    Args:
        directory: The descriptor of the directory.
    """

    def __init__(self, directory: int) -> None:
        self._directory = directory

    def limits(self, gpu: str) -> list[int]:
        """Returns the limit of each run that a GPU has at the moment.

        Args:
            gpu: A name of the GPU that is valid in the name of a file.
        """
        limits = []
        for name in os.listdir(self._directory):
            if name.startswith(f"{gpu}.slot_"):
                with _closing(self._open(name)) as descriptor:
                    if not _lock(descriptor, fcntl.LOCK_SH):
                        limits.append(int(os.pread(descriptor, 16, 0) or 1))
        return limits

    def lock(self, gpu: str, limit: int) -> int:
        """Locks the first free slot of a GPU.

        Args:
            gpu: A name of the GPU that is valid in the name of a file.
            limit: The number of runs that the GPU may have while this slot is
                held.

        Returns:
            The descriptor of the locked file. The lock is held until this
            descriptor is closed, here and in every process that inherited it.
        """
        number = 0
        while True:
            descriptor = self._open(f"{gpu}.slot_{number}")
            if _lock(descriptor, fcntl.LOCK_EX):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(limit).encode(), 0)
                return descriptor
            os.close(descriptor)
            number += 1

    def _open(self, name: str) -> int:
        return os.open(
            name,
            os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW,
            mode=0o600,
            dir_fd=self._directory,
        )


@contextlib.contextmanager
def opened() -> Iterator[SlotFiles]:
    """Opens the directory, and keeps other processes out of it until the end.

    Raises:
        InputError: If other users own or can access the directory, or if its
            files cannot be made or locked.
    """
    path = pathlib.Path(tempfile.gettempdir(), f"and_tf-gpus-{os.geteuid()}")
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        with _closing(os.open(path, flags)) as directory:
            _check(path, os.fstat(directory))
            files = SlotFiles(directory)
            with _closing(files._open(_GATE)) as gate:
                fcntl.flock(gate, fcntl.LOCK_EX)
                yield files
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _check(path: pathlib.Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise _unusable(path, f"it belongs to user {status.st_uid}")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise _unusable(path, f"others may use it, by its mode {mode:o}")


def _unusable(path: pathlib.Path, why: str) -> InputError:
    return InputError(
        f"Expected {path} to be a directory of this user alone, with files "
        f"that can be locked; a sweep notes there which GPUs have a run. "
        f"Received: {why}. Remove it, or name another place for temporary "
        f"files in TMPDIR."
    )


def _lock(descriptor: int, kind: int) -> bool:
    """Tries to lock an open file without waiting; returns whether it did."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
