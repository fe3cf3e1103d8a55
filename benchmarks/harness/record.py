"""Keep figures as small JSON files, with what they have to be read with.

The file of a comparison:

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
import os
import pathlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.harness.comparison import Case, Comparison

HERE = pathlib.Path(__file__).parents[1]
RESULTS = HERE / "results"


def circumstances(command: str, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return what every figure has to be read with.

    Args:
        command: The command that gives such figures again.
        versions: Versions of the packages that were used.
    """
    return {
        "command": command,
        "machine": machine(),
        "versions": dict(versions),
        "date": datetime.date.today().isoformat(),
    }


def machine() -> dict[str, str | int]:
    """Return the processor's model, and how many cores there are."""
    return {"processor": _processor(), "cores": os.cpu_count() or 1}


def _processor() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:  # No Linux.
        return platform.processor()
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def of_comparison(
    comparison: Comparison,
    cases: Sequence[Case],
    found: Sequence[Mapping[str, Any]],
    *,
    command: str,
    threads: int,
    repeats: int,
    load: float,
) -> dict[str, Any]:
    """Return the content of a comparison's file.

    Args:
        comparison: What was compared.
        cases: The cases that ran.
        found: Versions and sides of each case, from `turns`.
        command: The command that measures it.
        threads: How many threads every side had.
        repeats: Turns of each side.
        load: The system's load before the first turn.
    """
    versions = {"python": platform.python_version()}
    for one in found:
        versions |= one["versions"]
    return {
        "name": comparison.name,
        "title": comparison.title,
        "does": comparison.does,
        "unit": comparison.unit,
        "fresh": comparison.fresh,
        "series": comparison.series,
        **circumstances(command, versions),
        "threads": threads,
        "load": round(load, 2),
        "repeats": repeats,
        "cases": [
            {
                "title": case.title,
                "target": case.target and dataclasses.asdict(case.target),
                "sides": one["sides"],
            }
            for case, one in zip(cases, found, strict=True)
        ],
    }


def read_all(
    directory: pathlib.Path, order: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """Read the files of a directory.

    Args:
        directory: Where they are.
        order: Names of files, those that are missing among them. Defaults to
            all files, in the order of their names.
    """
    paths = sorted(directory.glob("*.json"))
    if order is not None:
        paths = [directory / f"{name}.json" for name in order]
    return [json.loads(p.read_text("utf-8")) for p in paths if p.is_file()]
