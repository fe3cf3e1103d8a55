"""A run of a sweep in a process of its own."""

from __future__ import annotations

import ctypes
import datetime
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from and_tf.sweeping.claims import Claim
from and_tf.sweeping.gpu_slots import Lease, in_words
from and_tf.sweeping.grid import SweepRun
from and_tf.sweeping.run_status import ENDED, MARK, log_of
from and_tf.utils import atomic_files

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A process that does a run, or goes on with it, begun at once.

    What it prints is added to the run's log. It inherits claim and lease, so
    that nobody else takes the run or its GPUs while it lives.

    On Linux the child is asked to end when the thread that made it ends, so a
    sweep begins all of them in its main thread.

    Args:
        run: Which one.
        claim: On it.
        lease: On the GPUs that it is to use, the only ones that it sees.
    """

    def __init__(self, run: SweepRun, claim: Claim, lease: Lease) -> None:
        self.run = run
        self._claim = claim
        self._lease = lease
        self._told = False
        flagfile = run.path / "flags.cfg"
        if not flagfile.is_file():
            # A directory with a log in it would not be taken for a new run's.
            atomic_files.write_text(flagfile, run.config.to_flagfile())
        # Closed by `_close`, as the process writes to it until it ends.
        self._log = open(log_of(run.path), "a", buffering=1)
        try:
            now = datetime.datetime.now(datetime.UTC)
            where = [socket.gethostname(), in_words(lease.gpus)]
            self._log.write(
                f"{MARK}began {now.isoformat(timespec='seconds')} on "
                f"{', '.join(filter(None, where))}\n"
            )
            self._process = self._started()
        except BaseException:
            self._log.close()
            raise

    def _started(self) -> subprocess.Popen:
        return subprocess.Popen(
            _command(self.run),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                **self._lease.environment(),
                # What was printed before a crash is to be read.
                "PYTHONUNBUFFERED": "1",
            },
            **_ties((self._claim.descriptor, *self._lease.descriptors)),
        )

    def wait(self, seconds: float) -> bool:
        """Waits until the process has ended, but no longer than that.

        A child whose claim was lost meanwhile is asked to keep its step and
        end, as another process goes on with the run.

        Returns:
            Whether it has ended.
        """
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._lease.beat()
            if not self._claim.beat():
                self.ask_to_end(signal.SIGTERM)
            return False
        if not self._log.closed:
            self._log.write(f"{ENDED}{code}\n")
            self._log.close()
        return True

    def ask_to_end(self, signal_number: int) -> None:
        """Sends it a signal, at which a training keeps its step and ends.

        Only the first call does: a second signal would be obeyed at once.
        """
        if not self._told:
            self._told = True
            self._process.send_signal(signal_number)


def end(children: Sequence[Child]) -> None:
    """Asks children to keep their steps and end, and waits until they have.

    Nobody may have their runs while they still write to them. If this process
    is told not to wait, by a second Ctrl-C for example, they are killed.
    """
    for child in children:
        child._process.terminate()
    try:
        for child in children:
            child._process.wait()
    except BaseException:
        for child in children:
            child._process.kill()
        for child in children:
            child._process.wait()
        raise
    finally:
        for child in children:
            child._log.close()


def _command(run: SweepRun) -> list[str]:
    return [sys.executable, "-m", run.command.module, *run.config.to_flags()]


def _ties(descriptors: Sequence[int]) -> dict[str, Any]:
    """How the child hangs on this process, where systems can say it.

    Args:
        descriptors: Of the open files that it inherits.
    """
    if os.name != "posix":
        return {}
    return {
        # Else Ctrl-C would reach it twice, from the terminal and from here,
        # and a second signal is obeyed at once.
        "process_group": 0,
        "pass_fds": descriptors,
        "preexec_fn": _end_with_parent,
    }


def _end_with_parent() -> None:
    """Has Linux end this process, gently, when its parent is killed."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
