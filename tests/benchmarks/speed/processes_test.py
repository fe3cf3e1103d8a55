"""Sides, their processes and their turns."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import pytest

from and_tf.utils.errors import InputError
from benchmarks.speed import memory, processes
from benchmarks.speed.comparison import (
    Comparison,
    Side,
    Work,
    difference,
    largest_difference,
    rate,
    seconds,
)

CALLS: list[str] = []


class Fake(contextlib.nullcontext):
    """What a `SideProcess` is to those who ask it."""

    versions = {"numpy": "2"}

    def __init__(self, side: Side) -> None:
        super().__init__(self)
        self.name, self.work = side.name, side.prepare()
        CALLS.append(f"start {self.name}")

    def answer(self):
        return self.work.answer()

    def turn(self) -> float:
        CALLS.append(self.name)
        return self.work.measure()


def side(name: str, value: float, **options) -> Side:
    answer = {"x": np.array([value, 1.0])}
    return Side(name, lambda: Work(lambda: value, lambda: answer), **options)


def turns(take_turns, *sides: Side):
    CALLS.clear()
    comparison = Comparison("c", "T", "D.", "s", sides, [], [], tolerance=0.1)
    return take_turns(comparison, list(sides), Fake, 2, lambda words: None)


def test_sides_take_turns_after_all_are_ready():
    found = turns(processes._turns, side("a", 1.0), side("b", 1.05))
    assert CALLS == ["start a", "start b", "a", "b", "a", "b"]
    assert [s["figures"] for s in found["sides"]] == [[1.0] * 2, [1.05] * 2]
    first, second = (s["difference"] for s in found["sides"])
    assert first is None and second == pytest.approx(0.05 / 2**0.5)


def test_who_does_other_work_is_not_timed():
    with pytest.raises(InputError, match="c, b: .*same work: x within 0.1"):
        turns(processes._turns, side("a", 1.0), side("b", 3.0))
    assert CALLS == ["start a", "start b"]
    other = side("b", 3.0, alike=False, note="less")
    found = turns(processes._turns, side("a", 1.0), other)
    assert found["sides"][1]["difference"] is None


def test_fresh_turns_have_a_process_each_and_the_first_does_not_count():
    found = turns(processes._fresh_turns, side("a", 1.0), side("b", 2.0))
    assert CALLS == ["start a", "a", "start b", "b"] * 3
    assert [s["figures"] for s in found["sides"]] == [[1.0] * 2, [2.0] * 2]


def test_a_side_gets_ready_answers_and_measures_in_its_process():
    name = "Pillow, one image at a time"
    task = {"comparison": "augmentation", "case": 0, "quick": True}
    with processes.SideProcess({**task, "side": name}, 2) as process:
        assert {"numpy", "pillow"} <= {*process.versions}
        assert "tensorflow" not in process.versions
        views = process.answer()["views"]
        assert process.turn() > 0
    assert views.shape == (256, 32, 32, 3)


def test_a_side_that_fails_says_why():
    task = {"comparison": "augmentation", "case": 7, "quick": True, "side": ""}
    with pytest.raises(InputError, match="(?s)Received: .*index out of"):
        processes.SideProcess(task, 1)


def test_what_is_not_installed_is_asked_for():
    sides = [side("a", 1.0, needs="a_library_that_there_is_not")]
    with pytest.raises(InputError, match="a_library.*make bench"):
        processes.check_installed(sides)


def test_differences():
    integers = np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])
    assert difference(*integers) == 0.5
    assert difference(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == 0.1
    with pytest.raises(InputError, match=r"shape \(2,\). Received: \(3,\)"):
        difference(np.ones(2), np.ones(3))
    with pytest.raises(InputError, match="can be compared"):
        largest_difference({"x": np.ones(2)}, {"y": np.ones(2)}, 1.0)
    with pytest.raises(InputError, match="nan apart"):
        largest_difference({"x": np.ones(1)}, {"x": np.full(1, np.nan)}, 1.0)


def test_seconds_and_rates(monkeypatch):
    times = iter([1.0, 4.0, 5.0, 7.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    assert seconds(dict, calls=3, scale=10.0)() == 10.0
    assert rate(dict, amount=100)() == 50.0


def test_peak_memory_forgets_what_was_before():
    before = memory.peak()
    held = np.ones(8_000_000)  # 64 MB
    assert memory.peak() >= memory.held() >= held.nbytes
    del held
    memory.restart_peak()
    assert memory.peak() < before + 64_000_000


def test_bad_flags_end_in_a_sentence():
    command = [sys.executable, "-m", "benchmarks.speed", "--only=nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Expected --only among ")
    assert "Traceback" not in done.stderr
