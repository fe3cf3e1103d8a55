"""Figures of comparisons, kept as small JSON files in results/speed/.

{
  "name": "loss", "title": "…", "does": "…", "unit": "ms",
  "fresh": false, "series": false,
  "command": "python -m benchmarks.speed --only=loss",
  "machine": {"processor": "…", "cores": 2}, "threads": 2,
  "load": 0.1,                 what else the machine did, at the beginning
  "versions": {"torch": "…", …}, "date": "2026-11-21", "repeats": 9,
  "cases": [{"title": "N = 50,000",
             "target": {"least": 0.5, "beside": ["…"], …} or null,
             "sides": [{"name": "and_tf", "note": "",
                        "difference": null,      from the first side
                        "figures": [22.1, …]}]}] a value a turn
}
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
import platform
from collections.abc import Sequence
from typing import Any

from benchmarks import machine
from benchmarks.speed.comparison import Case, Comparison

HERE = pathlib.Path(__file__).parents[1]
RESULTS = HERE / "results" / "speed"
PAGE = HERE / "SPEED.md"


def of(
    comparison: Comparison,
    cases: Sequence[Case],
    found: Sequence[dict[str, Any]],
    *,
    threads: int,
    repeats: int,
    quick: bool,
    load: float,
) -> dict[str, Any]:
    """What a comparison's file holds.

    Args:
        comparison: Which.
        cases: Those that ran,
        found: and what `processes.compare` gave for each.
        threads: That every side had.
        repeats: Turns of each side.
        quick: Whether the cases are the tiny ones.
        load: The system's load before the first turn.
    """
    versions = {"python": platform.python_version()}
    for one in found:
        versions |= one["versions"]
    flags = f"--only={comparison.name}{' --quick' if quick else ''}"
    return {
        "name": comparison.name,
        "title": comparison.title,
        "does": comparison.does,
        "unit": comparison.unit,
        "fresh": comparison.fresh,
        "series": comparison.series,
        "command": f"python -m benchmarks.speed {flags}",
        "machine": machine.describe(),
        "threads": threads,
        "load": round(load, 2),
        "versions": versions,
        "date": datetime.date.today().isoformat(),
        "repeats": repeats,
        "cases": [
            {
                "title": case.title,
                "target": _target(case),
                "sides": one["sides"],
            }
            for case, one in zip(cases, found, strict=True)
        ],
    }


def _target(case: Case) -> dict[str, Any] | None:
    if case.target is None:
        return None
    return {**dataclasses.asdict(case.target), "beside": [*case.target.beside]}


def read_all(order: Sequence[str], place: pathlib.Path) -> list[dict[str, Any]]:
    """The files that there are, in the given order of their names."""
    paths = (place / f"{name}.json" for name in order)
    return [
        json.loads(path.read_text("utf-8")) for path in paths if path.exists()
    ]
