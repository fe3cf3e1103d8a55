"""What one process does of a sweep, with trainings that end as they are told.

`tests/sweep_test.py` has real ones.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
from collections.abc import Callable

import pytest

from and_tf.config import TrainConfig
from and_tf.sweeping import claims, work
from and_tf.sweeping.grid import SweepRun, runs_of
from and_tf.sweeping.outcome import ENDED, log_of, outcome_of
from and_tf.sweeping.work import Work
from tests.sweeping.table_test import result

MINUTE = 60.0


@pytest.fixture
def runs(tmp_path) -> list[SweepRun]:
    return runs_of(TrainConfig(), {}, 3, tmp_path)


class Trainings:
    """Stand in for processes; each takes a minute of the clock."""

    def __init__(self, ends: Callable[[SweepRun], bool]) -> None:
        self.now = 0.0
        self.did: list[int] = []
        self._ends = ends

    def __call__(self, run: SweepRun, *_) -> None:
        self.did.append(run.config.seed)
        self.now += MINUTE
        run.path.mkdir(parents=True, exist_ok=True)
        (run.path / "flags.cfg").write_text(run.config.to_flagfile())
        well = self._ends(run)
        log_of(run.path).write_text(f"error: No.\n{ENDED}{int(not well)}\n")
        if well:
            content = result(run.config.seed, 0.5, 0.25, [])
            (run.path / "result.json").write_text(json.dumps(content))


@pytest.fixture
def do(monkeypatch):
    """Does a sweep's runs by stand-ins; returns what was said."""

    def call(runs: list[SweepRun], trainings: Trainings) -> list[str]:
        monkeypatch.setattr(work, "train", trainings)
        said = io.StringIO()
        Work(runs, said, lambda: trainings.now).do()
        return said.getvalue().splitlines()

    return call


def test_says_how_long_it_will_take(runs, do):
    lines = do(runs, Trainings(lambda run: True))
    assert lines[0].startswith("3 of 3 runs to do")
    assert [line.split("  ")[-1] for line in lines[1:]] == [
        "ETA 2:00", "ETA 1:00", "ETA 0:00",
    ]  # fmt: skip
    assert all("1:00  kNN 50.0 %" in line for line in lines[1:])


def test_others_do_their_part_of_what_is_left(runs, do):
    """One run is theirs: half a minute for it, half for what is shared."""
    claim = claims.take(runs[1].path)
    trainings = Trainings(lambda run: True)
    lines = do(runs, trainings)
    claim.release()
    assert trainings.did == [0, 2]
    assert lines[1].endswith("ETA 1:00")


def test_a_failure_is_tried_again_once_by_the_same_command(runs, do):
    trainings = Trainings(lambda run: run.config.seed != 1)
    lines = do(runs, trainings)
    assert trainings.did == [0, 1, 2]
    assert "failed error: No." in lines[2]
    again = Trainings(lambda run: True)
    lines = do(runs, again)
    assert again.did == [1]
    assert "done before" in lines[0] and "1 of 3 runs to do" in lines[2]
    assert outcome_of(runs[1].path).state == "done"


def test_tells_of_every_run_that_has_ended(runs, monkeypatch):
    """So that a table of what is there is there, however it ends."""
    trainings = Trainings(lambda run: run.config.seed != 1)
    monkeypatch.setattr(work, "train", trainings)
    told = []
    tell = lambda: told.append([outcome_of(r.path).state for r in runs])  # noqa: E731
    Work(runs, io.StringIO(), lambda: 0.0, tell).do()
    assert told == [
        ["done", "new", "new"],
        ["done", "failed", "new"],
        ["done", "failed", "done"],
    ]


def test_what_another_sees_fail_meanwhile_is_left(runs, monkeypatch):
    trainings = Trainings(lambda run: False)
    trainings(runs[0])
    monkeypatch.setattr(work, "train", trainings)
    mine = Work(runs, io.StringIO(), lambda: 0.0)
    log = pathlib.Path(log_of(runs[0].path))
    os.utime(log, (log.stat().st_mtime + 9,) * 2)
    mine.do()
    assert trainings.did == [0, 1, 2]  # The first by what stands above.
