"""Measure comparisons: sides get ready, are compared, and take turns."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from and_tf.utils.errors import InputError
from benchmarks.harness import record
from benchmarks.harness.comparison import Case, Comparison, Side
from benchmarks.harness.processes import MeasuringProcess

Tell = Callable[[str], None]
Start = Callable[[Side], MeasuringProcess]
QUICK_REPEATS = 2


def measure(
    comparison: Comparison,
    command: str,
    *,
    threads: int | None = None,
    repeats: int = 0,
    quick: bool = False,
) -> dict[str, Any]:
    """Measure all cases of a comparison, and report progress on stderr.

    Args:
        comparison: What is compared.
        command: The command that does it.
        threads: How many threads every side may use. Defaults to the cores.
        repeats: Turns of each side. 0 takes as many as the comparison has.
        quick: Whether to measure the tiny cases instead.

    Returns:
        The content of its file, see `record`.

    Raises:
        InputError: If a side cannot be prepared or does other work.
    """
    check_installed(comparison.sides)
    threads = threads or os.cpu_count() or 1
    repeats = repeats or (QUICK_REPEATS if quick else comparison.repeats)
    load = os.getloadavg()[0]
    cases = comparison.quick if quick else comparison.cases
    take_turns = _fresh_turns if comparison.fresh else _turns
    found = []
    for case in cases:

        def tell(what: str, title: str = case.title) -> None:
            print(f"{comparison.name}, {title}: {what}", file=sys.stderr)

        start = _starter(case, threads)
        found.append(take_turns(comparison, start, repeats, tell))
    return record.of_comparison(
        comparison, cases, found,
        command=command, threads=threads, repeats=repeats, load=load,
    )  # fmt: skip


def check_installed(sides: Sequence[Side]) -> None:
    """Check that the modules that sides need are installed.

    Raises:
        InputError: If one is not.
    """
    missing = {s.needs for s in sides if s.needs and not find_spec(s.needs)}
    if missing:
        raise InputError(
            f"Expected {', '.join(sorted(missing))} to be installed, for the "
            "sides that are compared with. Received none: `make bench` "
            "installs requirements-bench.txt."
        )


def _starter(case: Case, threads: int) -> Start:
    def start(side: Side) -> MeasuringProcess:
        arguments = {"threads": threads, **case.arguments, **side.arguments}
        return MeasuringProcess(side.prepare, arguments, threads)

    return start


def _turns(
    comparison: Comparison, start: Start, repeats: int, tell: Tell
) -> dict[str, Any]:
    """Start a process a side; all are ready before the first turn."""
    sides = comparison.sides
    with contextlib.ExitStack() as stack:
        ready, differences, versions, expected = [], [], {}, None
        for side in sides:
            tell(f"{side.name} gets ready")
            process = stack.enter_context(start(side))
            # Of every side, since it warms up too.
            answer = process.answer()
            versions |= process.versions
            expected = answer if expected is None else expected
            apart = None
            if side is not sides[0] and side.alike:
                try:
                    apart = comparison.difference(expected, answer)
                except InputError as error:
                    place = f"{comparison.name}, {side.name}"
                    raise InputError(f"{place}: {error}") from error
            differences.append(apart)
            ready.append(process)
        figures: list[list[float]] = [[] for _ in sides]
        for turn in range(repeats):
            tell(f"turn {turn + 1} of {repeats}")
            for process, values in zip(ready, figures, strict=True):
                values.append(process.turn())
    return _found(sides, figures, differences, versions)


def _fresh_turns(
    comparison: Comparison, start: Start, repeats: int, tell: Tell
) -> dict[str, Any]:
    """Start a process a turn; a first one of each warms the disk's cache."""
    sides = comparison.sides
    figures: list[list[float]] = [[] for _ in sides]
    versions: dict[str, str] = {}
    for turn in range(repeats + 1):
        tell(f"turn {turn} of {repeats}" if turn else "a first turn")
        for side, values in zip(sides, figures, strict=True):
            with start(side) as process:
                figure = process.turn()
                versions |= process.versions
            if turn:
                values.append(figure)
    return _found(sides, figures, [None] * len(sides), versions)


def _found(
    sides: Sequence[Side],
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
