"""Hold figures against their targets."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.harness.comparison import (
    Choose,
    best_of,
    more_is_better,
    times_as_fast,
)
from benchmarks.harness.tables import number


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Tells whether a case reaches its target.

    Attributes:
        beside: The fastest of the sides that it is held against, or "".
        best: By the best turns: times as fast, or the figure itself, or what
            is left of it.
        median: The same by the medians.
        text: What has to be reached.
        reached: "yes", "no", "by the best turns alone" or "by the medians
            alone".
    """

    beside: str
    best: str
    median: str
    text: str
    reached: str


def outcome(case: Mapping[str, Any], unit: str) -> Outcome:
    """Hold a case against its target.

    Args:
        case: A case that has one, from a file; see `record`.
        unit: The unit of its figures.
    """
    target = case["target"]
    figures = {side["name"]: side["figures"] for side in case["sides"]}
    own = target["of"] or case["sides"][0]["name"]
    best, median = best_of(unit), statistics.median
    beside = ""
    if target["beside"]:
        peers = {name: best(figures[name]) for name in target["beside"]}
        beside = best(peers.values())
        beside = next(n for n, value in peers.items() if value == beside)

    def value(choose: Choose) -> float:
        mine = choose(figures[own])
        if not beside:
            return mine
        # The median, too, against the one whose median is best.
        theirs = best([choose(figures[name]) for name in target["beside"]])
        if target["more"]:
            return mine - theirs
        return times_as_fast(mine, theirs, unit)

    upwards = bool(beside and not target["more"]) or more_is_better(unit)
    values = value(best), value(median)
    reached = [v >= target["least"] if upwards else v <= target["least"]
               for v in values]  # fmt: skip
    sign = "≥" if upwards else "≤"
    times = " ×" if beside and not target["more"] else f" {unit}"
    words = " beyond it" if target["more"] else ""
    return Outcome(
        beside,
        *(f"{number(v)}{times}" for v in values),
        f"{sign} {target['least']:g}{times}{words}",
        _word(*reached),
    )


def _word(best: bool, median: bool) -> str:
    if best == median:
        return "yes" if best else "no"
    return f"by the {'best turns' if best else 'medians'} alone"
