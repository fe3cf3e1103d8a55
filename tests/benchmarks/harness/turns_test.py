"""Sides, their processes and their turns."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import pytest

from and_tf.utils.errors import InputError
from benchmarks.harness import processes, turns
from benchmarks.harness.comparison import (
    Comparison,
    Side,
    Work,
    rate,
    relative_difference,
    seconds,
)
from benchmarks.speed import sides, views

CALLS: list[str] = []


class Fake(contextlib.nullcontext):
    """What a `MeasuringProcess` is to those who ask it."""

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


def compared(*sides: Side, **options) -> Comparison:
    return Comparison("c", "T", "D.", "s", sides, (), tolerance=0.1, **options)


def take(take_turns, *sides: Side):
    CALLS.clear()
    return take_turns(compared(*sides), Fake, 2, lambda words: None)


def test_sides_take_turns_after_all_are_ready():
    found = take(turns._turns, side("a", 1.0), side("b", 1.05))
    assert CALLS == ["start a", "start b", "a", "b", "a", "b"]
    assert [s["figures"] for s in found["sides"]] == [[1.0] * 2, [1.05] * 2]
    first, second = (s["difference"] for s in found["sides"])
    assert first is None and second == pytest.approx(0.05 / 2**0.5)


def test_who_does_other_work_is_not_timed():
    with pytest.raises(InputError, match="c, b: .*same work: x within 0.1"):
        take(turns._turns, side("a", 1.0), side("b", 3.0))
    assert CALLS == ["start a", "start b"]
    other = side("b", 3.0, alike=False, note="less")
    found = take(turns._turns, side("a", 1.0), other)
    assert found["sides"][1]["difference"] is None


def test_fresh_turns_have_a_process_each_and_the_first_does_not_count():
    found = take(turns._fresh_turns, side("a", 1.0), side("b", 2.0))
    assert CALLS == ["start a", "a", "start b", "b"] * 3
    assert [s["figures"] for s in found["sides"]] == [[1.0] * 2, [2.0] * 2]


def test_a_side_gets_ready_answers_and_measures_in_its_process():
    arguments = {"threads": 2, "count": 256}
    with processes.MeasuringProcess(views.pillow, arguments, 2) as process:
        assert {"numpy", "pillow"} <= {*process.versions}
        assert "tensorflow" not in process.versions
        found = process.answer()["views"]
        assert process.turn() > 0
    assert found.shape == (256, 32, 32, 3)


def test_a_side_that_fails_says_why():
    message = r"views\.draw\(count=-1\).*Received: .*negative dimensions"
    with pytest.raises(InputError, match=f"(?s){message}"):
        processes.call(views.draw, count=-1)


def test_what_is_not_installed_is_asked_for():
    missing = side("a", 1.0, needs="a_library_that_there_is_not")
    with pytest.raises(InputError, match="a_library.*make bench"):
        turns.measure(compared(missing), "command")


def test_differences():
    integers = np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])
    assert relative_difference(*integers) == 0.5
    apart = relative_difference(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
    assert apart == 0.1
    difference = compared().difference
    with pytest.raises(InputError, match=r"shape \(2,\). Received: \(3,\)"):
        difference({"x": np.ones(2)}, {"x": np.ones(3)})
    with pytest.raises(InputError, match="can be compared"):
        difference({"x": np.ones(2)}, {"y": np.ones(2)})
    with pytest.raises(InputError, match="nan apart"):
        difference({"x": np.ones(1)}, {"x": np.full(1, np.nan)})


def test_seconds_and_rates(monkeypatch):
    times = iter([1.0, 4.0, 5.0, 7.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    assert seconds(dict, calls=3, scale=10.0)() == 10.0
    assert rate(dict, amount=100)() == 50.0


def test_peak_memory_forgets_what_was_before():
    before = sides.peak()
    held = np.ones(8_000_000)  # 64 MB
    assert sides.peak() >= sides.held() >= held.nbytes
    del held
    sides.restart_peak()
    assert sides.peak() < before + 64_000_000


def test_bad_flags_end_in_a_sentence():
    command = [sys.executable, "-m", "benchmarks.speed", "--only=nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Expected --only among ")
    assert "Traceback" not in done.stderr
