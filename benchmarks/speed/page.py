"""benchmarks/SPEED.md and speed.png, from the files of figures."""

from __future__ import annotations

import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from and_tf.sweeping.table import aligned
from and_tf.utils import atomic_files
from benchmarks.speed import imagenet, plot, record, registry, targets

File = Mapping[str, Any]

INTRODUCTION = """\
# Speed

Written by `python -m benchmarks.speed` from `benchmarks/results/speed/*.json`;
a test holds it to them. `make bench` installs what is compared with, PyTorch's
CPU build and faiss among it, and measures everything again.

Ratios are the claim: how many times as fast as each other side the first one,
this project, is (of memory: how many times less it takes); above 1 it is
better. Times are a machine's, and want one that does nothing else: threads
that wait for one another lose far more than their share on a busy one. Every
side of a comparison has a process of its own and the same number of threads.
Before anything is timed, what both compute from the same inputs is compared,
and the difference told (norm of the difference by norm; of integers the share
that differ). Then they take turns, A B A B …, in one run. *Best* is the best
turn of each, *median* the median.
"""


def write(place: pathlib.Path, into: pathlib.Path) -> list[pathlib.Path]:
    """Writes page and plot from the files in `place`."""
    found = record.read_all(list(registry.BY_NAME), place)
    picture, page = into / "speed.png", into / record.PAGE.name
    drawn = plot.draw(found, picture)
    atomic_files.write_text(page, render(found))
    return [page, picture] if drawn else [page]


def render(found: Sequence[File]) -> str:
    """The whole page.

    Args:
        found: From `record.read_all`.
    """
    if not found:
        return f"{INTRODUCTION}\nNothing was measured yet.\n"
    parts = [INTRODUCTION, "## To be reached\n", summary(found)]
    parts += [section(file) for file in found]
    if plot.panels(found):
        parts.append("## How cost grows\n\n![](speed.png)\n")
    return "\n".join([*parts, imagenet.section(found)]).rstrip() + "\n"


def summary(found: Sequence[File]) -> str:
    """A row for each case of which something is to be reached."""
    table = [["", "", "beside", "best", "median", "to reach", "reached"]]
    for file in found:
        for case in file["cases"]:
            if case["target"]:
                end = targets.outcome(case, file["unit"])
                words = [end.beside, end.best, end.median, end.text]
                title = [file["title"], case["title"]]
                table.append([*title, *words, end.reached])
    return aligned(table) if len(table) > 1 else "Nothing.\n"


def section(file: File) -> str:
    """What one file tells."""
    table = _series(file) if file["series"] else _table(file)
    turns = "turn" if file["repeats"] == 1 else "turns"
    fresh = ", each in a new process" if file["fresh"] else ""
    versions = ", ".join(f"{n} {v}" for n, v in file["versions"].items())
    machine = file["machine"]
    return (
        f"## {file['title']}\n\n{file['does']}\n\n{table}\n"
        f"{file['repeats']} {turns}{fresh}; {file['threads']} threads, "
        f"{machine['cores']} cores of {machine['processor']}, load "
        f"{file['load']:g} before; {versions}; {file['date']}; "
        f"`{file['command']}`.\n"
    )


def _table(file: File) -> str:
    """A row for each side of each case."""
    unit, table = file["unit"], []
    best = targets.best_of(unit)
    several = any(len(case["sides"]) > 1 for case in file["cases"])
    for case in file["cases"]:
        ours = case["sides"][0]["figures"]
        for side in case["sides"]:
            figures = side["figures"]
            values = best(figures), statistics.median(figures)
            row = [case["title"], _named(side), *map(targets.number, values)]
            if several:
                row += _ratios(ours, side, unit)
            table.append(row)
    head = ["", "", f"best, {unit}", f"median, {unit}"]
    if several:
        head += ["ratio", "ratio of medians", "difference"]
    return aligned([head, *table])


def _named(side: Mapping[str, Any]) -> str:
    return f"{side['name']} ({side['note']})" if side["note"] else side["name"]


def _ratios(
    ours: Sequence[float], side: Mapping[str, Any], unit: str
) -> list[str]:
    """Of the first side to this one, and how far their answers lie apart."""
    if ours is side["figures"]:
        return ["", "", ""]
    ratios = (
        targets.times_as_fast(choose(ours), choose(side["figures"]), unit)
        for choose in (targets.best_of(unit), statistics.median)
    )
    apart = side["difference"]
    return [
        *(f"{ratio:.2f}" for ratio in ratios),
        "" if apart is None else f"{apart:.0e}" if apart else "0",
    ]


def _series(file: File) -> str:
    """Turn after turn, and how the last differs from the second."""
    lines = []
    for case in file["cases"]:
        for side in case["sides"]:
            figures = side["figures"]
            row = ", ".join(map(targets.number, figures))
            told = f"{_named(side)}, {case['title']}: {row} {file['unit']}."
            if len(figures) > 2:
                grown = 100 * (figures[-1] / figures[1] - 1)
                told += f" From the second to the last: {grown:+.1f} %."
            lines.append(told + "\n")
    return "".join(lines)
