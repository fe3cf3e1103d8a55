"""Who trains a run, where several processes work on one sweep.

The claims on <run> are files <run>.claim_1, .claim_2, … beside it, and the one
with the highest number counts. A number is taken by creating its file, which
a file system lets one process alone do, network file systems too; and the next
number may be taken only when the claim before is dead. So nobody ever removes
a claim that may be somebody's.

A claim is dead

1. on its own machine, where nobody has its file locked: the operating system
   holds the lock for the process that made it and for the training that it
   started, and lets go as soon as both have ended, however that came;
2. elsewhere, where its file was not touched for `STALE` seconds: its process
   touches it every `HEARTBEAT`.

A process that slept for longer than `STALE`, and so lost its run to another,
learns it from the higher number and stops.
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

try:
    import fcntl
except ImportError:  # Windows has none; there, age alone decides.
    fcntl = None

HEARTBEAT = 30.0  # Seconds.
STALE = 300.0
_NUMBER = re.compile("[1-9][0-9]{0,8}")
_REMEDY = "Make room or name another --sweep_dir; what is done stays."


class Claim:
    """A claim of this process.

    Args:
        run: The run's directory.
        number: Its number.
        descriptor: Of its open, locked file; a training that inherits it
            keeps the claim alive too.
    """

    def __init__(self, run: pathlib.Path, number: int, descriptor: int) -> None:
        self._run = run
        self._number = number
        self.descriptor = descriptor
        self._beaten = time.monotonic()

    def beat(self) -> bool:
        """Says now and then that its process lives; False if it is lost."""
        if _path(self._run, self._number + 1).exists():
            return False
        if time.monotonic() - self._beaten >= HEARTBEAT:
            self._beaten = time.monotonic()
            with contextlib.suppress(OSError):  # As a server may be away.
                os.utime(_path(self._run, self._number))
        return True

    def release(self) -> None:
        """Lets others have the run at once."""
        # Times of long ago tell those on other machines, who see no lock.
        with contextlib.suppress(OSError):
            os.utime(_path(self._run, self._number), (0, 0))
        os.close(self.descriptor)

    def finish(self) -> None:
        """Removes the claims on a run that has its result."""
        for number in range(1, self._number + 1):
            with contextlib.suppress(OSError):
                _path(self._run, number).unlink()
        os.close(self.descriptor)


def take(run: pathlib.Path, gpus: str = "") -> Claim | None:
    """Claims a run.

    Args:
        run: Its directory, which need not exist.
        gpus: What it is to be done on, in words, for `holder`.

    Returns:
        None if it is somebody else's.

    Raises:
        InputError: If the sweep's directory cannot be written to.
    """
    # Looked up once: a claim that appears from here on has the number that
    # this one is to have, and wins.
    last = _last(run)
    if _holder(run, last) is not None:
        return None
    path = _path(run, last + 1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic_files.unwritable(path, error.strerror, _REMEDY) from error
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return None
    except OSError as error:
        raise atomic_files.unwritable(path, error.strerror, _REMEDY) from error
    # The lock first: once the file says whose it is, no lock means dead.
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
    """Who trains a run: "host, process 12, GPU 0"; None for nobody."""
    return _holder(run, _last(run))


def _holder(run: pathlib.Path, number: int) -> str | None:
    """Whose a claim is, None if it is dead; 0 is none."""
    if not number:
        return None
    try:
        descriptor = os.open(_path(run, number), os.O_RDONLY)
    except FileNotFoundError:  # Finished this very moment.
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
            # Shared, so that two who look do not take each other for it.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # A file system without locks.
            pass
        if machine == _machine():
            return False
    return _now(place) - os.fstat(descriptor).st_mtime < STALE


def _lock(descriptor: int) -> bool:
    """Whether the lock could be had."""
    if not fcntl:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _now(place: pathlib.Path) -> float:
    """The time by the clock that dates the files of a directory."""
    with tempfile.TemporaryFile(dir=place) as file:
        return os.fstat(file.fileno()).st_mtime


def _machine() -> str:
    """Names what shares one table of locks: this machine since it started."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id")
        return boot.read_text().strip()
    except OSError:  # No Linux.
        return f"{socket.gethostname()}-{uuid.getnode():x}"


def _read(content: bytes) -> dict:
    try:
        return records.decode(content, schemas.Claim)
    except records.WrongRecordError:
        # Made this very moment, and still empty; or damaged, so that its age
        # alone says whether it lives.
        return {}


def _path(run: pathlib.Path, number: int) -> pathlib.Path:
    return run.with_name(f"{run.name}.claim_{number}")


def _last(run: pathlib.Path) -> int:
    """The highest number of a claim, 0 for none."""
    begin = f"{run.name}.claim_"
    # Not by a pattern: the name of a run may have brackets in it.
    names = os.listdir(run.parent) if run.parent.is_dir() else []
    numbers = (n.removeprefix(begin) for n in names if n.startswith(begin))
    # Stray ones, as a copy has "1 (copy)", are nobody's claim.
    return max((int(n) for n in numbers if _NUMBER.fullmatch(n)), default=0)
