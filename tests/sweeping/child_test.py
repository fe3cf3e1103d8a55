"""The process that a sweep has a run done by."""

from __future__ import annotations

import os
import sys

import pytest

from and_tf.config import TrainConfig
from and_tf.interruption import Interruption
from and_tf.sweeping import child, claims
from and_tf.sweeping.grid import runs_of
from and_tf.sweeping.outcome import log_of

# Keeps its step when it is asked to end, and says so last.
SCRIPT = """\
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit("kept its step"))
print("ready", flush=True)
signal.pause()
"""


def test_a_sweep_that_breaks_ends_its_training_first(tmp_path, monkeypatch):
    """Else the claim is given up, and two write into one directory."""
    (run,) = runs_of(TrainConfig(), {}, 1, tmp_path)
    command = [sys.executable, "-c", SCRIPT]
    monkeypatch.setattr(child, "_command", lambda _: command)
    claim = claims.take(run.path)

    def watch():
        if "ready" in log_of(run.path).read_text():
            raise OSError("Stale file handle")

    with pytest.raises(OSError, match="Stale"):
        child.train(run, claim, Interruption(), watch)
    assert "kept its step" in log_of(run.path).read_text()
    with pytest.raises(ChildProcessError):  # There is none any more.
        os.waitpid(-1, os.WNOHANG)
    claim.release()
