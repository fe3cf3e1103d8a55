"""A process for each side, and the turns that they take."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from and_tf.utils.errors import InputError
from benchmarks.speed.comparison import (
    Answer,
    Comparison,
    Side,
    largest_difference,
)

Tell = Callable[[str], None]
# Seconds before a turn: threads of the side before may still spin.
SETTLE = 0.25


class SideProcess(contextlib.AbstractContextManager):
    """A side that has got ready in a process of its own and waits.

    Args:
        task: What `child` is told.
        threads: How many it may use.

    Raises:
        InputError: If it fails, with what it said; so do the methods.
    """

    def __init__(self, task: dict[str, Any], threads: int) -> None:
        self._task = task
        self._errors = tempfile.TemporaryFile()
        limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.speed.child",
                f"--task={json.dumps(task | {'threads': threads})}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | dict.fromkeys(limits, str(threads)),
            text=True,
        )
        try:
            self.versions = self._hear()["versions"]
        except BaseException:
            self.__exit__()
            raise

    def answer(self) -> Answer:
        """What comes out of the work."""
        with tempfile.TemporaryDirectory() as place:
            path = pathlib.Path(place, "answer.npz")
            self._ask(f"answer {path}")
            with np.load(path) as content:
                return dict(content)

    def turn(self) -> float:
        """The figure of the work, done once."""
        time.sleep(SETTLE)
        return self._ask("turn")["figure"]

    def _ask(self, what: str) -> dict[str, Any]:
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        raise InputError(
            f"Expected to measure {json.dumps(self._task)}. Received: "
            f"{said[-2000:] or f'exit code {self._process.returncode}'}"
        )

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):  # Unsent words to one that died.
            self._process.stdin.close()
        try:  # Of itself, for it may have processes of its own to end.
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def compare(
    comparison: Comparison,
    number: int,
    *,
    quick: bool,
    threads: int,
    repeats: int,
    tell: Tell,
) -> dict[str, Any]:
    """Holds the sides of a case against one another, then lets them take turns.

    Args:
        comparison: Of the registry.
        number: Of the case.
        quick: Whether it is one of the tiny ones.
        threads: That every side may use.
        repeats: Turns of each side.
        tell: Takes words on how it goes.

    Returns:
        Versions by name, and the sides in order: `figures`, a value a turn,
        and `difference` from the first side's answer, None where that is not
        asked.
    """
    case = (comparison.quick if quick else comparison.cases)[number]
    sides = comparison.taking_part(case)
    check_installed(sides)

    def start(side: Side) -> SideProcess:
        task = {
            "comparison": comparison.name,
            "case": number,
            "quick": quick,
            "side": side.name,
        }
        return SideProcess(task, threads)

    take_turns = _fresh_turns if comparison.fresh else _turns
    return take_turns(comparison, sides, start, repeats, tell)


def check_installed(sides: list[Side]) -> None:
    """Sees to it that what the sides need is there.

    Raises:
        InputError: If it is not.
    """
    from importlib.util import find_spec

    missing = {s.needs for s in sides if s.needs and not find_spec(s.needs)}
    if missing:
        raise InputError(
            f"Expected {', '.join(sorted(missing))} to be installed, for the "
            "sides that are compared with. Received none: `make bench` "
            "installs requirements-bench.txt."
        )


def _turns(
    comparison: Comparison,
    sides: list[Side],
    start: Callable[[Side], SideProcess],
    repeats: int,
    tell: Tell,
) -> dict[str, Any]:
    """A process a side; all are ready before the first turn."""
    with contextlib.ExitStack() as stack:
        ready, differences, versions, expected = [], [], {}, None
        for side in sides:
            tell(f"{side.name} gets ready")
            process = stack.enter_context(start(side))
            versions |= process.versions
            # Of every side, since it warms up too.
            answer = process.answer()
            expected = answer if expected is None else expected
            apart = None
            if side is not sides[0] and side.alike:
                apart = _held(comparison, side, expected, answer)
            differences.append(apart)
            ready.append(process)
        figures: list[list[float]] = [[] for _ in sides]
        for turn in range(repeats):
            tell(f"turn {turn + 1} of {repeats}")
            for process, values in zip(ready, figures, strict=True):
                values.append(process.turn())
    return _found(sides, figures, differences, versions)


def _held(
    comparison: Comparison, side: Side, expected: Answer, answer: Answer
) -> float:
    try:
        return largest_difference(expected, answer, comparison.tolerance)
    except InputError as error:
        raise InputError(f"{comparison.name}, {side.name}: {error}") from error


def _fresh_turns(
    comparison: Comparison,
    sides: list[Side],
    start: Callable[[Side], SideProcess],
    repeats: int,
    tell: Tell,
) -> dict[str, Any]:
    """A process a turn; a first one of each warms the disk's cache."""
    del comparison
    figures: list[list[float]] = [[] for _ in sides]
    versions: dict[str, str] = {}
    for turn in range(repeats + 1):
        tell(f"turn {turn} of {repeats}" if turn else "a first turn")
        for side, values in zip(sides, figures, strict=True):
            with start(side) as process:
                versions |= process.versions
                figure = process.turn()
            if turn:
                values.append(figure)
    return _found(sides, figures, [None] * len(sides), versions)


def _found(
    sides: list[Side],
    figures: list[list[float]],
    differences: list[float | None],
    versions: dict[str, str],
) -> dict[str, Any]:
    return {
        "versions": dict(sorted(versions.items())),
        "sides": [
            {
                "name": side.name,
                "note": side.note,
                "difference": apart,
                "figures": values,
            }
            for side, apart, values in zip(
                sides, differences, figures, strict=True
            )
        ],
    }
