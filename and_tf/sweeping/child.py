"""A run of a sweep in a process of its own."""

from __future__ import annotations

import ctypes
import datetime
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from and_tf import files
from and_tf.interruption import Interruption
from and_tf.sweeping.claims import Claim
from and_tf.sweeping.grid import SweepRun
from and_tf.sweeping.outcome import ENDED, MARK, log_of

POLL = 0.2  # Seconds.
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def train(
    run: SweepRun,
    claim: Claim,
    interruption: Interruption,
    watch: Callable[[], None],
) -> int:
    """Does a run, or goes on with it, and waits until that has ended.

    What it prints is added to its log. A signal that this process was sent
    is handed on, and the training keeps its step; so it does if the claim on
    the run is lost.

    Args:
        run: Which one.
        claim: On it.
        interruption: Of this process, listening.
        watch: Called again and again meanwhile.

    Returns:
        The exit code, negative for the signal that killed it.
    """
    flagfile = run.path / "flags.cfg"
    if not flagfile.is_file():
        # A directory with a log in it would not be taken for a new run's.
        files.write_text(flagfile, run.config.to_flagfile())
    with open(log_of(run.path), "a", buffering=1) as log:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        log.write(f"{MARK}began {now} on {socket.gethostname()}\n")
        child = subprocess.Popen(
            _command(run),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # What was printed before a crash is to be read.
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            **_ties(claim),
        )
        try:
            code = _wait(child, claim, interruption, watch)
        except BaseException:
            # Nobody may have the run while this one still writes to it.
            _end(child)
            raise
        log.write(f"{ENDED}{code}\n")
    return code


def _command(run: SweepRun) -> list[str]:
    return [sys.executable, "-m", run.command.module, *run.config.to_flags()]


def _ties(claim: Claim) -> dict[str, Any]:
    """How the child hangs on this process, where systems can say it."""
    if os.name != "posix":
        return {}
    return {
        # Else Ctrl-C would reach it twice, from the terminal and from here,
        # and a second signal is obeyed at once.
        "process_group": 0,
        "pass_fds": (claim.descriptor,),
        "preexec_fn": _end_with_parent,
    }


def _end_with_parent() -> None:
    """Has Linux end this process, gently, when its parent is killed."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _end(child: subprocess.Popen) -> None:
    """Asks it to keep its step and end; kills it if one cannot wait."""
    child.terminate()
    try:
        child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise


def _wait(
    child: subprocess.Popen,
    claim: Claim,
    interruption: Interruption,
    watch: Callable[[], None],
) -> int:
    told = False
    while True:
        try:
            return child.wait(POLL)
        except subprocess.TimeoutExpired:
            pass
        lost = not claim.beat()
        if not told and (interruption.signal_number or lost):
            child.send_signal(interruption.signal_number or signal.SIGTERM)
            told = True
        watch()
