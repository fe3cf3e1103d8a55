"""The process that a sweep has a run done by."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable

import pytest

from and_tf.distribution import nvidia, slurm
from and_tf.sweeping import claims, worker
from and_tf.sweeping.gpu_slots import GpuSlots, Lease
from and_tf.sweeping.grid import SweepRun, runs_of
from and_tf.sweeping.run_status import ENDED, MARK, log_of
from and_tf.sweeping.worker import Child
from and_tf.training.config import TrainConfig

# Keeps its step when it is asked to end, and says so last.
SCRIPT = """\
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit("kept its step"))
print("ready", flush=True)
signal.pause()
"""


LINE = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Begins a stand-in for a training; returns it with its run and claim."""

    def call(code: str, lease: Lease) -> tuple[Child, SweepRun, claims.Claim]:
        (run,) = runs_of(TrainConfig(), {}, 1, tmp_path)
        command = [sys.executable, "-c", code]
        monkeypatch.setattr(worker, "_command", lambda _: command)
        claim = claims.take(run.path)
        return Child(run, claim, lease), run, claim

    return call


def until(happened: Callable[[], bool], begun: Child) -> None:
    while not happened():
        assert not begun.wait(0.01), "It was to wait for a signal."


def environment_of(run: SweepRun) -> dict[str, str]:
    began, printed, ended = log_of(run.path).read_text().splitlines()
    assert began.startswith(f"{MARK}began ") and ended == f"{ENDED}0"
    return json.loads(printed)


def test_has_the_gpu_of_its_lease_and_no_other(begin, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(nvidia, "_cards", lambda: ())
    monkeypatch.setenv(nvidia.VISIBLE, "GPU-a,GPU-b")
    monkeypatch.delenv(nvidia.ORDER, raising=False)
    slots = GpuSlots(nvidia.visible_gpus())
    slots.take()
    lease = slots.take()
    begun, run, claim = begin(LINE, lease)
    assert begun.wait(60)
    assert begun.wait(0)  # To ask again does no harm, nor writes again.
    seen = environment_of(run)
    assert seen["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    assert seen["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert ", GPU-b\n" in log_of(run.path).read_text()
    claim.release()
    lease.release()


def test_without_a_gpu_its_environment_is_the_sweeps(begin, monkeypatch):
    monkeypatch.setenv(nvidia.VISIBLE, "-1")
    monkeypatch.delenv(nvidia.ORDER, raising=False)
    # What srun sets for four sweeps, whose runs are not to join each other.
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    begun, run, claim = begin(LINE, Lease())
    assert begun.wait(60)
    seen = environment_of(run)
    assert seen.pop("PYTHONUNBUFFERED") == "1"
    assert not slurm.is_set(seen)
    others = {"PYTHONUNBUFFERED", "SLURM_STEP_NUM_TASKS"}
    ours = {k: v for k, v in os.environ.items() if k not in others}
    assert ours.items() <= seen.items()
    assert not {name for name in seen if "CUDA" in name} - {nvidia.VISIBLE}
    claim.release()


def test_a_sweep_that_breaks_ends_its_trainings_first(begin):
    """Else the claim is given up, and two write into one directory."""
    begun, run, claim = begin(SCRIPT, Lease())
    until(lambda: "ready" in log_of(run.path).read_text(), begun)
    worker.end([begun])
    assert "kept its step" in log_of(run.path).read_text()
    with pytest.raises(ChildProcessError):  # There is none any more.
        os.waitpid(-1, os.WNOHANG)
    claim.release()


def test_whose_run_was_lost_keeps_its_step(begin):
    """As a process on another machine goes on with it."""
    begun, run, claim = begin(SCRIPT, Lease())
    until(lambda: "ready" in log_of(run.path).read_text(), begun)
    claims._path(run.path, 2).touch()
    assert not begun.wait(0)
    assert begun.wait(60)
    assert "kept its step" in log_of(run.path).read_text()
    claim.release()


def test_what_cannot_be_started_leaves_nothing_open(begin, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/does/not/exist")
    with pytest.raises(FileNotFoundError):
        begin(LINE, Lease())
