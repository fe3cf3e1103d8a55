"""What one process does of a sweep, with trainings that end as they are told.

`tests/sweep_test.py` has real ones.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import signal
import tempfile
from collections.abc import Callable

import pytest

from and_tf.distribution import nvidia
from and_tf.sweeping import claims, scheduler
from and_tf.sweeping.claims import Claim
from and_tf.sweeping.gpu_slots import GpuSlots, Lease
from and_tf.sweeping.grid import SweepRun, runs_of
from and_tf.sweeping.run_status import ENDED, log_of, outcome_of
from and_tf.sweeping.scheduler import Work
from and_tf.training.config import TrainConfig
from and_tf.utils.errors import Interrupted
from tests.sweeping.table_test import result

MINUTE = 60.0


@pytest.fixture
def runs(tmp_path) -> list[SweepRun]:
    return runs_of(TrainConfig(), {}, 3, tmp_path)


class Trainings:
    """Stand in for processes; each takes a minute of the clock.

    Args:
        ends: Whether a run ends well.
        stays: Whether it goes on, when it is looked at.
    """

    def __init__(
        self,
        ends: Callable[[SweepRun], bool] = lambda run: True,
        stays: Callable[[SweepRun], bool] = lambda run: False,
    ) -> None:
        self.now = 0.0
        self.did: list[int] = []
        self.gpus: dict[int, tuple[str, ...]] = {}
        self.in_progress: set[pathlib.Path] = set()
        self.most = 0
        self.told: list[int] = []
        self.ends = ends
        self.stays = stays

    def __call__(self, run: SweepRun, claim: Claim, lease: Lease) -> Training:
        self.did.append(run.config.seed)
        self.gpus[run.config.seed] = lease.gpus
        return Training(self, run)


class Training:
    """Stands in for a `Child`; it ends when it is looked at."""

    def __init__(self, all_of_them: Trainings, run: SweepRun) -> None:
        self._all, self._run = all_of_them, run
        run.path.mkdir(parents=True, exist_ok=True)
        (run.path / "flags.cfg").write_text(run.config.to_flagfile())
        log_of(run.path).write_text("")
        self._all.in_progress.add(run.path)
        self._all.most = max(self._all.most, len(self._all.in_progress))

    def wait(self, seconds: float) -> bool:
        if self._all.stays(self._run):
            return False
        self._all.now += MINUTE
        self._all.in_progress.remove(self._run.path)
        log, seed = log_of(self._run.path), self._run.config.seed
        if not self._all.ends(self._run):
            log.write_text(f"error: No.\n{ENDED}1\n")
            return True
        log.write_text(f"{ENDED}0\n")
        content = result(seed, 0.5, 0.25, [])
        (self._run.path / "result.json").write_text(json.dumps(content))
        return True

    def ask_to_end(self, signal_number: int) -> None:
        self._all.told.append(signal_number)
        self._all.stays = self._all.ends = lambda run: False


@pytest.fixture
def do(monkeypatch):
    """Does a sweep's runs by stand-ins; returns what was said."""

    def call(
        runs: list[SweepRun],
        trainings: Trainings,
        slots: GpuSlots | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> list[str]:
        monkeypatch.setattr(scheduler, "Child", trainings)
        said = io.StringIO()
        Work(runs, slots, said, lambda: trainings.now, on_end).do()
        return said.getvalue().splitlines()

    return call


@pytest.fixture
def slots(tmp_path, monkeypatch) -> GpuSlots:
    """Two GPUs, whatever this machine has."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(nvidia, "_cards", lambda: ())
    return GpuSlots(("0", "1"))


def all_free(slots: GpuSlots) -> bool:
    leases = [slots.take() for _ in range(slots.capacity)]
    for lease in filter(None, leases):
        lease.release()
    return None not in leases


def test_says_how_long_it_will_take(runs, do):
    lines = do(runs, Trainings())
    assert lines[0].startswith("3 of 3 runs to do")
    assert [line.split("  ")[-1] for line in lines[1:]] == [
        "ETA 2:00", "ETA 1:00", "ETA 0:00",
    ]  # fmt: skip
    assert all("1:00  kNN 50.0 %" in line for line in lines[1:])


def test_others_do_their_part_of_what_is_left(runs, do):
    """One run is theirs: half a minute for it, half for what is shared."""
    claim = claims.take(runs[1].path)
    trainings = Trainings()
    lines = do(runs, trainings)
    claim.release()
    assert trainings.did == [0, 2]
    assert lines[1].endswith("ETA 1:00")


def test_a_failure_is_tried_again_once_by_the_same_command(runs, do):
    trainings = Trainings(lambda run: run.config.seed != 1)
    lines = do(runs, trainings)
    assert trainings.did == [0, 1, 2]
    assert "failed error: No." in lines[2]
    again = Trainings()
    lines = do(runs, again)
    assert again.did == [1]
    assert "done before" in lines[0] and "1 of 3 runs to do" in lines[2]
    assert outcome_of(runs[1].path).state == "done"


def test_tells_of_every_run_that_has_ended(runs, do):
    """So that a table of what is there is there, however it ends."""
    trainings = Trainings(lambda run: run.config.seed != 1)
    told = []
    tell = lambda: told.append([outcome_of(r.path).state for r in runs])  # noqa: E731
    do(runs, trainings, on_end=tell)
    assert told == [
        ["done", "new", "new"],
        ["done", "failed", "new"],
        ["done", "failed", "done"],
    ]


def test_what_another_sees_fail_meanwhile_is_left(runs, monkeypatch):
    trainings = Trainings(lambda run: False)
    trainings(runs[0], None, Lease()).wait(0)
    monkeypatch.setattr(scheduler, "Child", trainings)
    mine = Work(runs, None, io.StringIO(), lambda: 0.0)
    log = pathlib.Path(log_of(runs[0].path))
    os.utime(log, (log.stat().st_mtime + 9,) * 2)
    mine.do()
    assert trainings.did == [0, 1, 2]  # The first by what stands above.


def test_as_many_at_a_time_as_there_are_gpus(runs, do, slots):
    """The first lasts; the others follow each other on the second GPU."""
    trainings = Trainings()
    trainings.stays = lambda run: len(trainings.did) < 3 and run is runs[0]
    lines = do(runs, trainings, slots)
    assert trainings.gpus == {0: ("0",), 1: ("1",), 2: ("1",)}
    assert trainings.most == 2
    assert lines[0].startswith("3 of 3 runs to do on GPUs 0 and 1, one run a")
    assert "seed 1  1:00  GPU 1  kNN 50.0 %  ETA" in lines[1]
    assert all_free(slots)


def test_one_at_a_time_without_gpus(runs, do):
    trainings = Trainings()
    lines = do(runs, trainings, GpuSlots((), runs_per_gpu=2))
    assert trainings.most == 1 and set(trainings.gpus.values()) == {()}
    assert "3 runs to do, one at a time, as there is no GPU; " in lines[0]


def test_a_failure_gives_its_gpu_back(runs, do, slots):
    trainings = Trainings(lambda run: False)
    lines = do(runs, trainings, slots)
    assert sorted(trainings.did) == [0, 1, 2]
    assert "  GPU 0  failed error: No." in lines[1]
    assert all_free(slots)


def test_who_trains_a_run_and_on_what_can_be_asked(runs, do, slots):
    seen = []
    trainings = Trainings()
    trainings.stays = lambda run: seen.append(outcome_of(run.path).note)
    do(runs[:1], trainings, slots)
    assert seen and seen[0].endswith(f", process {os.getpid()}, GPU 0")


def test_waits_for_a_gpu_that_others_have(runs, do, slots, monkeypatch):
    """And says so once, however long that is."""
    taken = [slots.take(), slots.take()]
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            taken.pop().release()

    monkeypatch.setattr(scheduler.time, "sleep", sleep)
    trainings = Trainings()
    lines = do(runs, trainings, slots)
    assert len(waited) == 3
    assert lines[1].startswith("waiting for a GPU; other runs are in progress")
    assert len(lines) == 2 + len(runs)
    assert set(trainings.gpus.values()) == {("1",)}
    taken.pop().release()


def test_waits_for_no_gpu_if_others_do_the_rest(runs, do, slots):
    taken = [slots.take(), slots.take()]
    claimed = [claims.take(run.path) for run in runs]
    trainings = Trainings()
    lines = do(runs, trainings, slots)
    assert trainings.did == [] and len(lines) == 1
    for each in taken + claimed:
        each.release()


def test_a_signal_is_handed_to_all_and_nothing_else_begins(runs, do, slots):
    trainings = Trainings()

    def stays(run: SweepRun) -> bool:
        if run is runs[1]:
            signal.raise_signal(signal.SIGTERM)
        return True

    trainings.stays = stays
    with pytest.raises(Interrupted) as raised:
        do(runs, trainings, slots)
    assert raised.value.exit_code == 128 + signal.SIGTERM
    paths = f"{runs[0].path}, {runs[1].path}"
    assert str(raised.value).startswith(f"{paths} keep their last steps. The")
    assert trainings.told == [signal.SIGTERM] * 2 and trainings.did == [0, 1]
    assert all_free(slots)
    assert all(claims.holder(run.path) is None for run in runs)


def test_a_sweep_that_breaks_ends_the_other_runs(runs, do, slots, monkeypatch):
    """Here it breaks as it writes its table; all is given back."""
    ended = []
    monkeypatch.setattr(scheduler.worker, "end", ended.extend)
    trainings = Trainings(stays=lambda run: run is runs[0])

    def on_end() -> None:
        raise OSError("Stale file handle")

    with pytest.raises(OSError, match="Stale"):
        do(runs, trainings, slots, on_end)
    assert [training._run for training in ended] == [runs[0]]
    assert all_free(slots)
    assert all(claims.holder(run.path) is None for run in runs)


def test_what_cannot_begin_gives_its_gpu_back(runs, do, slots):
    def begin(*_: object) -> None:
        raise OSError("Cannot allocate memory")

    begin.now = 0.0
    with pytest.raises(OSError, match="memory"):
        do(runs, begin, slots)
    assert all_free(slots)
    assert claims.holder(runs[0].path) is None
