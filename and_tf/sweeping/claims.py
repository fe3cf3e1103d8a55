"""Claims runs, so that several processes can work on the same sweep.

The claims on <run> are files <run>.claim_1, .claim_2, … beside it, and the one
with the highest number is valid. A process takes a number by creating its
file, which a file system, even a network file system, allows only one process
to do. The next number may be taken only when the claim before it is dead. So
no process ever removes a claim that another process may hold.

A claim is dead

1. on its own machine, if its file is not locked: the operating system holds
   the lock for the process that made it and for the training that it started,
   and releases it as soon as both have ended for any reason;
2. on other machines, if its file was not touched for `STALE` seconds: its
   process touches it every `HEARTBEAT` seconds.

A process that was suspended for longer than `STALE`, and so lost its run to
another, notices the higher number and stops.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import socket
import tempfile
import time
import uuid

from and_tf.utils import atomic_files, records, schemas
from and_tf.utils.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has no fcntl; there, only a file's age counts.
    fcntl = None  # type: ignore[assignment]

HEARTBEAT = 30.0  # Seconds.
STALE = 300.0  # Seconds.
_NUMBER = re.compile("[1-9][0-9]{0,8}")
_REMEDY = "Make room or name another --sweep_dir; what is done stays."


class Claim:
    """A claim of this process on a run.

    Args:
        run: The run's directory.
        number: The number of the claim.
        descriptor: The descriptor of the claim's open, locked file. A training
            that inherits it keeps the claim alive too.
    """

    def __init__(self, run: pathlib.Path, number: int, descriptor: int) -> None:
        self._run = run
        self._number = number
        self.descriptor = descriptor
        self._beaten = time.monotonic()

    def beat(self) -> bool:
        """Touches the claim's file every `HEARTBEAT` seconds.

        Returns:
            False if the claim was lost to another process, True otherwise.
        """
        if _path(self._run, self._number + 1).exists():
            return False
        if time.monotonic() - self._beaten >= HEARTBEAT:
            self._beaten = time.monotonic()
            with contextlib.suppress(OSError):  # A file server may be away.
                os.utime(_path(self._run, self._number))
        return True

    def release(self) -> None:
        """Releases the run, so that other processes can take it at once."""
        # Other machines do not see the lock. An old time tells them that the
        # claim is dead.
        with contextlib.suppress(OSError):
            os.utime(_path(self._run, self._number), (0, 0))
        os.close(self.descriptor)

    def finish(self) -> None:
        """Removes all claims on the run, which has its result now."""
        for number in range(1, self._number + 1):
            with contextlib.suppress(OSError):
                _path(self._run, number).unlink()
        os.close(self.descriptor)


def take(run: pathlib.Path, gpus: str = "") -> Claim | None:
    """Claims a run for this process.

    Args:
        run: The run's directory, which need not exist.
        gpus: The names of the GPUs for the run, shown by `holder`.

    Returns:
        The claim, or None if another process holds the run.

    Raises:
        InputError: If the sweep's directory cannot be written to.
    """
    # This is read only once: if another process makes a claim from here on,
    # it takes the number that this one would take, and wins.
    last = _last(run)
    if _holder(run, last) is not None:
        return None
    path = _path(run, last + 1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return None
    except OSError as error:
        raise _unwritable(path, error) from error
    # The file is locked first: once it names its machine, a claim without a
    # lock is dead.
    locked = _lock(descriptor)
    text = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "machine": _machine() if locked else "",
        "gpus": gpus,
    }
    os.write(descriptor, json.dumps(text).encode())
    return Claim(run, last + 1, descriptor)


def holder(run: pathlib.Path) -> str | None:
    """Returns the holder of a run: "host, process 12, GPU 0", or None."""
    return _holder(run, _last(run))


def _holder(run: pathlib.Path, number: int) -> str | None:
    """Returns the holder of a claim, or None if it is dead.

    Args:
        run: The run's directory.
        number: The number of the claim; 0 is no claim.
    """
    if not number:
        return None
    try:
        descriptor = os.open(_path(run, number), os.O_RDONLY)
    except FileNotFoundError:  # The run was finished just now.
        return None
    with os.fdopen(descriptor, "rb") as file:
        text = _read(file.read())
        if _alive(descriptor, text.get("machine"), run.parent):
            who = f"{text.get('host', '?')}, process {text.get('process')}"
            return f"{who}, {text['gpus']}" if text.get("gpus") else who
    return None


def _alive(descriptor: int, machine: str | None, place: pathlib.Path) -> bool:
    if fcntl:
        try:
            # The lock is shared, so that two processes that test it at the
            # same time do not take each other for the holder.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # The file system has no locks.
            pass
        if machine == _machine():
            return False
    return _now(place) - os.fstat(descriptor).st_mtime < STALE


def _lock(descriptor: int) -> bool:
    """Locks an open file; returns False if that is not possible."""
    if not fcntl:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _now(place: pathlib.Path) -> float:
    """Returns the time of the clock that a directory's file system uses."""
    with tempfile.TemporaryFile(dir=place) as file:
        return os.fstat(file.fileno()).st_mtime


def _machine() -> str:
    """Returns an id of this machine since its start, as locks are local."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id")
        return boot.read_text().strip()
    except OSError:  # This system is not Linux.
        return f"{socket.gethostname()}-{uuid.getnode():x}"


def _read(content: bytes) -> dict:
    try:
        return records.decode(content, schemas.Claim)
    except records.WrongRecordError:
        # The claim was made just now and is still empty; or it is damaged, so
        # that only its age tells whether it is alive.
        return {}


def _unwritable(path: pathlib.Path, error: OSError) -> InputError:
    """Makes the error for a claim that cannot be written."""
    return atomic_files.unwritable(path, str(error.strerror), _REMEDY)


def _path(run: pathlib.Path, number: int) -> pathlib.Path:
    return run.with_name(f"{run.name}.claim_{number}")


def _last(run: pathlib.Path) -> int:
    """Returns the highest number of a run's claims, 0 if there are none."""
    begin = f"{run.name}.claim_"
    # No glob pattern is used, as the name of a run may contain brackets.
    names = os.listdir(run.parent) if run.parent.is_dir() else []
    numbers = (n.removeprefix(begin) for n in names if n.startswith(begin))
    # Other files, such as a copy named "1 (copy)", are no claims.
    return max((int(n) for n in numbers if _NUMBER.fullmatch(n)), default=0)
