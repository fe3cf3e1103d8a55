"""Whether figures reach what they are to reach."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.speed.comparison import more_is_better

Choose = Callable[[Sequence[float]], float]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a case stands to its target, by the best turns and by the medians.

    Attributes:
        side: Whose figure it is.
        beside: The fastest of the sides that it is held against, or "".
        best, median: Times as fast, or the figure itself, or what is left.
        text: What is to be reached.
        reached: "yes", "no", or "by the best turns alone", or the medians.
    """

    side: str
    beside: str
    best: str
    median: str
    text: str
    reached: str


def best_of(unit: str) -> Choose:
    """The better end of figures of this unit."""
    return max if more_is_better(unit) else min


def times_as_fast(ours: float, theirs: float, unit: str) -> float:
    """A ratio that is above 1 where ours is better, whatever the unit."""
    return ours / theirs if more_is_better(unit) else theirs / ours


def outcome(case: Mapping[str, Any], unit: str) -> Outcome:
    """Holds a case that has a target against it.

    Args:
        case: As `record` writes it.
        unit: Of its figures.
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
        own,
        beside,
        *(f"{number(v)}{times}" for v in values),
        f"{sign} {target['least']:g}{times}{words}",
        _word(*reached),
    )


def _word(best: bool, median: bool) -> str:
    if best == median:
        return "yes" if best else "no"
    return f"by the {'best turns' if best else 'medians'} alone"


def number(value: float) -> str:
    """Three digits or more: "0.0123", "1.23", "12.3", "1,234"."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"
