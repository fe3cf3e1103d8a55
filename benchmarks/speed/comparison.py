"""What is compared: the same work, done by this project and by others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from and_tf.utils.errors import InputError

Answer = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Work:
    """What a side has ready in its process.

    Attributes:
        measure: Does the work once and gives its figure, in the comparison's
            unit.
        answer: Does it once and gives what came out, by name. What two sides
            both name has to be alike.
    """

    measure: Callable[[], float]
    answer: Callable[[], Answer] = dict


@dataclasses.dataclass(frozen=True)
class Side:
    """Who does the work.

    Attributes:
        name: As tables have it.
        prepare: Makes the `Work`; takes `threads` and the case's arguments.
        arguments: Further ones.
        alike: Whether its answer has to be that of the first side. Those of
            which not do other work, which `note` has to say.
        note: What is to be known of it.
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
    """What is to be reached.

    Attributes:
        least: How many times as fast as the fastest of the sides `beside`,
            or, where it names none, the figure itself: at least where more is
            better, at most where less is.
        beside: Names of sides.
        of: The side that has to reach it; empty: the first.
        more: Whether the figure of `beside` is taken off instead, as the time
            that an import takes in any case: `least` is then what is left.
    """

    least: float
    beside: tuple[str, ...] = ()
    of: str = ""
    more: bool = False


@dataclasses.dataclass(frozen=True)
class Case:
    """A size of the work, or another parameter of it.

    Attributes:
        title: As tables have it.
        arguments: What `Side.prepare` takes.
        target: None where nothing is to be reached.
        sides: Names of those that take part; empty: all.
    """

    title: str
    arguments: Mapping[str, Any]
    target: Target | None = None
    sides: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One kind of work.

    Attributes:
        name: Of its result file.
        title: As the page has it.
        does: What is done, in a sentence or two.
        unit: Of figures; more is better where it ends in "/s".
        sides: The first is this project.
        cases: In full size.
        quick: The same, tiny.
        tolerance: How far answers may lie apart, see `difference`.
        repeats: Turns of each side.
        fresh: Whether every turn is a process of its own; the first one of
            each side then does not count.
        series: Whether turns follow one another, so that they are told one
            by one instead of the best.
    """

    name: str
    title: str
    does: str
    unit: str
    sides: Sequence[Side]
    cases: Sequence[Case]
    quick: Sequence[Case]
    tolerance: float = 1e-4
    repeats: int = 5
    fresh: bool = False
    series: bool = False

    def taking_part(self, case: Case) -> list[Side]:
        """The sides of a case, in order."""
        return [s for s in self.sides if not case.sides or s.name in case.sides]


def seconds(work: Callable[[], Any], calls: int = 1, scale: float = 1.0):
    """A `Work.measure`: the seconds that a call takes, times `scale`."""

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        return scale * (time.perf_counter() - start) / calls

    return measure


def rate(work: Callable[[], Any], amount: float, calls: int = 1):
    """A `Work.measure`: how much is done a second, `amount` in a call."""
    taken = seconds(work, calls)
    return lambda: amount / taken()


def more_is_better(unit: str) -> bool:
    """Whether a unit is one of speed."""
    return unit.endswith("/s")


def difference(expected: np.ndarray, found: np.ndarray) -> float:
    """How far two answers lie apart.

    Of integers, the share that are not equal; of others, the norm of the
    difference over that of `expected`.

    Raises:
        InputError: If their shapes differ.
    """
    if expected.shape != found.shape:
        raise InputError(
            f"Expected an answer of shape {expected.shape}. Received: "
            f"{found.shape}. The sides do not do the same work."
        )
    if np.issubdtype(expected.dtype, np.integer):
        return float((expected != found).mean())
    expected, found = (x.astype(np.float64) for x in (expected, found))
    return float(
        np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30)
    )


def largest_difference(
    expected: Answer, found: Answer, tolerance: float
) -> float:
    """Holds a side's answer against the first side's.

    Returns:
        The largest difference of what both name.

    Raises:
        InputError: If it is above `tolerance`, or they name nothing alike.
    """
    shared = {
        name: difference(expected[name], found[name])
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
    if not shared[name] <= tolerance:
        raise InputError(
            f"Expected sides that do the same work: {name} within {tolerance:g}"
            f". Received: {shared[name]:.3g} apart."
        )
    return shared[name]
