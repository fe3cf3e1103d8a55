"""Starts a run of a sweep in its own process, and watches it."""

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

from and_tf.distribution import slurm
from and_tf.sweeping.claims import Claim
from and_tf.sweeping.gpu_slots import Lease, in_words
from and_tf.sweeping.grid import SweepRun
from and_tf.sweeping.run_status import ENDED, MARK, log_of
from and_tf.utils import atomic_files

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A process that begins or resumes a run, and is started at once.

    Its output is appended to the run's log. It inherits the claim and the
    lease, so that no other process takes the run or its GPUs while it lives.

    On Linux the child is asked to end when the thread that started it ends, so
    a sweep starts all children in its main thread.

    Args:
        run: The run to do.
        claim: This process' claim on the run.
        lease: The lease on the GPUs of the run, the only GPUs that it sees.
    """

    def __init__(self, run: SweepRun, claim: Claim, lease: Lease) -> None:
        self.run = run
        self._claim = claim
        self._lease = lease
        self._told = False
        flagfile = run.path / "flags.cfg"
        if not flagfile.is_file():
            # A training would not accept a directory with only a log in it as
            # that of a new run.
            atomic_files.write_text(flagfile, run.config.to_flagfile())
        # The process writes to the log until it ends, so it stays open.
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
                **_own_environment(),
                **self._lease.environment(),
                # Keeps the output before a crash from being lost.
                "PYTHONUNBUFFERED": "1",
            },
            **_ties((self._claim.descriptor, *self._lease.descriptors)),
        )

    def wait(self, seconds: float) -> bool:
        """Waits until the process has ended, but at most for some seconds.

        If the claim was lost meanwhile, the child is asked to save its step
        and end, as another process continues the run.

        Args:
            seconds: The longest time to wait, in seconds.

        Returns:
            True if the process has ended.
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
        """Sends a signal, at which a training saves its step and ends.

        Only the first call sends it, as a training ends at a second signal
        without saving.
        """
        if not self._told:
            self._told = True
            self._process.send_signal(signal_number)


def end(children: Sequence[Child]) -> None:
    """Asks children to save their steps and end, and waits until they have.

    Other processes must not take the runs while the children still write to
    them. If this process is interrupted while it waits, for example by a
    second Ctrl-C, the children are killed.
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


def _own_environment() -> dict[str, str]:
    """Returns this process' environment, for a run that trains alone.

    `srun` may have started several sweeps, whose runs are not to join.
    """
    return {k: v for k, v in os.environ.items() if k != slurm.TASKS}


def _ties(descriptors: Sequence[int]) -> dict[str, Any]:
    """Returns the arguments of Popen that tie a child to this process.

    Args:
        descriptors: The descriptors of open files that the child inherits.
    """
    if os.name != "posix":
        return {}
    return {
        # Without a group of its own, the child would get Ctrl-C twice, from
        # the terminal and from this process, and would end without saving.
        "process_group": 0,
        "pass_fds": descriptors,
        "preexec_fn": _end_with_parent,
    }


def _end_with_parent() -> None:
    """Makes Linux send this process SIGTERM when its parent has ended."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
