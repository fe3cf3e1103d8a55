"""What a sweep prints; `work_test` has it in its course."""

from __future__ import annotations

import io

import pytest

from and_tf.distribution import nvidia
from and_tf.sweeping import claims
from and_tf.sweeping.gpu_slots import GpuSlots
from and_tf.sweeping.grid import SweepRun, runs_of
from and_tf.sweeping.progress import TURN, Progress
from and_tf.sweeping.run_status import log_of, outcome_of
from and_tf.training.config import TrainConfig
from tests.sweeping.table_test import result


@pytest.fixture(autouse=True)
def no_cards(monkeypatch) -> None:
    """Names stand for themselves, whatever this machine has."""
    monkeypatch.setattr(nvidia, "_cards", lambda: ())


@pytest.fixture
def runs(tmp_path) -> list[SweepRun]:
    return runs_of(TrainConfig(), {}, 4, tmp_path)


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        (((),), "to do; each"),
        (((), 2), "to do, one at a time, as there is no GPU; each"),
        ((("0",),), "to do on GPU 0; each"),
        ((("0", "1"),), "to do on GPUs 0 and 1, one run a GPU; each"),
        ((("0", "1"), 3), "GPUs 0 and 1, up to 3 runs a GPU; each"),
        ((("0", "1"), 1, 2), "GPUs 0 and 1, 2 GPUs a run; each"),
    ],
)
def test_says_first_where_runs_are_done(runs, slots, expected):
    said = io.StringIO()
    Progress(runs, GpuSlots(*slots), said).announce(runs[1:])
    assert said.getvalue().startswith("3 of 4 runs to do")
    assert expected in said.getvalue()


def test_says_for_how_many_gpus_it_waits(runs):
    said = io.StringIO()
    Progress(runs, GpuSlots(("0", "1"), 1, 2), said).waits()
    assert said.getvalue() == (
        "waiting for 2 GPUs; other runs are in progress on GPUs 0 and 1\n"
    )


@pytest.mark.parametrize(
    ("gpus", "in_progress", "expected"),
    [
        # Two to do and one in progress, of which half is left. Each takes a
        # minute, in turn, by two processes or on two GPUs.
        ((), 0, "1:30"),
        (("0", "1"), 1, "1:30"),
        # A GPU more is somebody else's.
        (("0", "1"), 0, "1:10"),
    ],
)
def test_estimates_by_how_many_are_done_at_a_time(
    runs, gpus, in_progress, expected
):
    said = io.StringIO()
    progress = Progress(runs, GpuSlots(gpus), said)
    runs[0].path.mkdir(parents=True)
    (runs[0].path / "result.json").write_text("{}")
    claim = claims.take(runs[1].path)
    outcome = outcome_of(runs[0].path)
    outcome.result.update(result(0, 0.5, 0.25, []))
    progress.ended(runs[0], gpus[:1], 60.0, outcome, in_progress)
    claim.release()
    assert said.getvalue().endswith(f"ETA {expected}\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_all_in_progress_in_turn(runs):
    now = 0.0
    terminal = Terminal()
    progress = Progress(runs, GpuSlots(), terminal, lambda: now)
    for run in runs[:2]:
        run.path.mkdir(parents=True)
        log_of(run.path).write_text(f"begins\nepoch of {run.config.seed}\n")
    shown = []
    for now in (TURN, 2 * TURN, 3 * TURN):
        terminal.truncate(0)
        progress.watch(runs[:2])
        shown.append(terminal.getvalue().rstrip()[-1])
    assert shown == ["1", "0", "1"]
    progress.watch([])  # Nothing is in progress, nothing is shown.
