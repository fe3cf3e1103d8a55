"""Write benchmarks/SPEED.md from the files of comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.sweeping.table import aligned
from benchmarks.harness.tables import File, section
from benchmarks.speed import imagenet, plot, targets

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


def render(found: Sequence[File]) -> str:
    """Write the whole page.

    Args:
        found: The content of the files, in the order of the registry.
    """
    if not found:
        return f"{INTRODUCTION}\nNothing was measured yet.\n"
    parts = [INTRODUCTION, "## To be reached\n", summary(found)]
    parts += [section(file) for file in found]
    if plot.panels(found):
        parts.append("## How cost grows\n\n![](speed.png)\n")
    return "\n".join([*parts, imagenet.section(found)]).rstrip() + "\n"


def summary(found: Sequence[File]) -> str:
    """Write a row for each case that has a target."""
    table = [["", "", "beside", "best", "median", "to reach", "reached"]]
    for file in found:
        for case in file["cases"]:
            if case["target"]:
                end = targets.outcome(case, file["unit"])
                words = [end.beside, end.best, end.median, end.text]
                title = [file["title"], case["title"]]
                table.append([*title, *words, end.reached])
    return aligned(table) if len(table) > 1 else "Nothing.\n"
