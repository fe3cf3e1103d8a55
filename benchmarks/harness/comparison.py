"""Describe comparisons: one work, done by this project and by others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from and_tf.utils.errors import InputError

Answer = dict[str, np.ndarray]
Choose = Callable[[Sequence[float]], float]


@dataclasses.dataclass(frozen=True)
class Work:
    """Holds what a side has prepared in its process.

    Attributes:
        measure: Does the work once and returns its figure, in the
            comparison's unit.
        answer: Does the work once and returns its results by name. A result
            that two sides both name has to be the same on both.
    """

    measure: Callable[[], float]
    answer: Callable[[], Answer] = dict


@dataclasses.dataclass(frozen=True)
class Side:
    """Describes one of those who do the work.

    Attributes:
        name: Its name in tables.
        prepare: A function of a module, which makes the `Work`. It takes
            `threads` and the arguments of the case.
        arguments: Further arguments of `prepare`.
        alike: Whether its answer has to be that of the first side. If not,
            the side does other work, and `note` has to say which.
        note: What readers have to know of it.
        needs: A module that has to be installed for it.
    """

    name: str
    prepare: Callable[..., Work]
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    alike: bool = True
    note: str = ""
    needs: str = ""


@dataclasses.dataclass(frozen=True)
class Target:
    """Describes a figure to reach.

    Attributes:
        least: How many times as fast as the fastest of the sides `beside`.
            Where `beside` names no side, the figure itself: a minimum where
            more is better, otherwise a maximum.
        beside: Names of sides.
        of: The side that has to reach it. Defaults to the first.
        more: Whether the figure of `beside` is subtracted instead, such as
            the time that an import takes in any case. `least` is then the
            most that may be left.
    """

    least: float
    beside: tuple[str, ...] = ()
    of: str = ""
    more: bool = False


@dataclasses.dataclass(frozen=True)
class Case:
    """Describes the work in one size, or with one other parameter.

    Attributes:
        title: Its title in tables.
        arguments: Arguments of `Side.prepare`.
        target: The figure to reach, if any.
    """

    title: str
    arguments: Mapping[str, Any]
    target: Target | None = None


def relative_difference(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the share of integers that differ, else a relative error.

    The relative error is the norm of the difference over that of `expected`.
    """
    if np.issubdtype(expected.dtype, np.integer):
        return float((expected != found).mean())
    expected, found = (x.astype(np.float64) for x in (expected, found))
    return float(
        np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30)
    )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Describes one kind of work and all who do it.

    Attributes:
        name: The name of its result file.
        title: Its title on the page.
        does: What is done, in a sentence or two.
        unit: The unit of figures. More is better where it ends in "/s".
        sides: The first is this project.
        cases: Cases in full size.
        quick: The same cases, tiny.
        tolerance: How far answers may lie apart.
        distance: Measures that between two arrays of one shape.
        repeats: Turns of each side.
        fresh: Whether every turn has a process of its own. The first turn of
            each side is then not counted.
        series: Whether turns follow one another. They are then listed one by
            one instead of the best.
    """

    name: str
    title: str
    does: str
    unit: str
    sides: Sequence[Side]
    cases: Sequence[Case]
    quick: Sequence[Case] = ()
    tolerance: float = 1e-4
    distance: Callable[[np.ndarray, np.ndarray], float] = relative_difference
    repeats: int = 5
    fresh: bool = False
    series: bool = False

    def difference(self, expected: Answer, found: Answer) -> float:
        """Compare a side's answer with the first side's.

        Returns:
            The largest difference of all results that both name.

        Raises:
            InputError: If it is above the tolerance, shapes differ, or the
                two have no result in common.
        """
        shared = {
            name: self._distance(expected[name], found[name])
            for name in expected
            if name in found
        }
        if not shared:
            raise InputError(
                f"Expected answers that can be compared. Received: "
                f"{', '.join(expected) or 'none'} and "
                f"{', '.join(found) or 'none'}."
            )
        name = max(shared, key=shared.get)
        # Written so that NaN is refused too.
        if not shared[name] <= self.tolerance:
            raise InputError(
                f"Expected sides that do the same work: {name} within "
                f"{self.tolerance:g}. Received: {shared[name]:.3g} apart."
            )
        return shared[name]

    def _distance(self, expected: np.ndarray, found: np.ndarray) -> float:
        if expected.shape != found.shape:
            raise InputError(
                f"Expected an answer of shape {expected.shape}. Received: "
                f"{found.shape}. The sides do not do the same work."
            )
        return self.distance(expected, found)


def seconds(
    work: Callable[[], Any], calls: int = 1, scale: float = 1.0
) -> Callable[[], float]:
    """Make a `Work.measure` that returns the seconds of a call.

    Args:
        work: What is timed.
        calls: Calls in a row, of which the mean counts.
        scale: Factor of the figure, such as 1000 for milliseconds.
    """

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        return scale * (time.perf_counter() - start) / calls

    return measure


def rate(
    work: Callable[[], Any], amount: float, calls: int = 1
) -> Callable[[], float]:
    """Make a `Work.measure` that returns the amount done a second.

    Args:
        work: What is timed.
        amount: How much a call does.
        calls: Calls in a row.
    """
    taken = seconds(work, calls)
    return lambda: amount / taken()


def more_is_better(unit: str) -> bool:
    """Return whether a unit is one of speed."""
    return unit.endswith("/s")


def best_of(unit: str) -> Choose:
    """Return the function that chooses the best of figures of this unit."""
    return max if more_is_better(unit) else min


def times_as_fast(ours: float, theirs: float, unit: str) -> float:
    """Return a ratio that is above 1 where ours is better, in any unit."""
    return ours / theirs if more_is_better(unit) else theirs / ours
