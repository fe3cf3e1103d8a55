"""Write figures as people read them: numbers, tables, sections of a page."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from and_tf.sweeping.table import aligned
from and_tf.utils.averages import Values, known
from benchmarks.harness.comparison import best_of, times_as_fast

File = Mapping[str, Any]


def number(value: float) -> str:
    """Write three digits or more: "0.0123", "1.23", "12.3", "1,234"."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def mean_rate(rates: Values, missing: str = "") -> str:
    """Write the mean of those rates that are known, `missing` if none is."""
    there = known(rates)
    return f"{statistics.fmean(there):,.0f}" if there else missing


def mean_minutes(seconds: Sequence[float]) -> str:
    """Write the mean of some times in minutes: "4.4"."""
    return f"{statistics.fmean(seconds) / 60:.1f}"


def machine(of: Mapping[str, Any]) -> str:
    """Write a machine from `record.machine`: "2 cores of AMD EPYC"."""
    return f"{of['cores']} cores of {of['processor']}"


def versions(of: Mapping[str, str]) -> str:
    """Write versions: "numpy 2.4.6, tensorflow 2.21.0"."""
    return ", ".join(f"{name} {version}" for name, version in of.items())


def section(file: File) -> str:
    """Write the section of a comparison.

    Args:
        file: The content of its file, see `record`.
    """
    table = _series(file) if file["series"] else _table(file)
    turns = "turn" if file["repeats"] == 1 else "turns"
    fresh = ", each in a new process" if file["fresh"] else ""
    return (
        f"## {file['title']}\n\n{file['does']}\n\n{table}\n"
        f"{file['repeats']} {turns}{fresh}; {file['threads']} threads, "
        f"{machine(file['machine'])}, load {file['load']:g} before; "
        f"{versions(file['versions'])}; {file['date']}; "
        f"`{file['command']}`.\n"
    )


def _table(file: File) -> str:
    """Write a row for each side of each case."""
    unit, table = file["unit"], []
    best = best_of(unit)
    several = any(len(case["sides"]) > 1 for case in file["cases"])
    for case in file["cases"]:
        ours = case["sides"][0]["figures"]
        for side in case["sides"]:
            figures = side["figures"]
            values = best(figures), statistics.median(figures)
            row = [case["title"], _named(side), *map(number, values)]
            if several:
                row += _ratios(ours, side, unit)
            table.append(row)
    head = ["", "", f"best, {unit}", f"median, {unit}"]
    if several:
        head += ["ratio", "ratio of medians", "difference"]
    return aligned([head, *table])


def _named(side: File) -> str:
    return f"{side['name']} ({side['note']})" if side["note"] else side["name"]


def _ratios(ours: Sequence[float], side: File, unit: str) -> list[str]:
    """Write how the first side compares with this one, and their distance."""
    if ours is side["figures"]:
        return ["", "", ""]
    ratios = (
        times_as_fast(choose(ours), choose(side["figures"]), unit)
        for choose in (best_of(unit), statistics.median)
    )
    apart = side["difference"]
    return [
        *(f"{ratio:.2f}" for ratio in ratios),
        "" if apart is None else f"{apart:.0e}" if apart else "0",
    ]


def _series(file: File) -> str:
    """Write turn after turn, and how the last differs from the second."""
    lines = []
    for case in file["cases"]:
        for side in case["sides"]:
            figures = side["figures"]
            row = ", ".join(map(number, figures))
            told = f"{_named(side)}, {case['title']}: {row} {file['unit']}."
            if len(figures) > 2:
                grown = figures[-1] / figures[1] - 1
                told += f" From the second to the last: {100 * grown:+.1f} %."
            lines.append(told + "\n")
    return "".join(lines)
