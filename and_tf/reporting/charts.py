"""Curves as inline SVG: where things stand; the template draws them.

Drawn for the page and not by Matplotlib, as curves.png is: its SVG has colours
that do not turn at night, fifty ids that repeat from one drawing to the next,
and a style that the whole page takes on. These follow the page's light and
dark, use its font, and say their last values to a screen reader.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from and_tf.figures.panels import History, move_apart, series

FEW = 40  # Points, up to which each gets a mark; one alone has no line.
LETTER = 7.0  # About the width of one.
LINE = 15  # Between the names of two curves.

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        name: Stands at its end.
        colour: A class of the style: "blue", "orange", …
        x: float64 [n].
        y: float64 [n].
        ending: What its name is followed by, such as its last value.
        steps: Whether a value holds for what lies before its point, up to
            the point before or, for the first, for a unit of x.
    """

    name: str
    colour: str
    x: np.ndarray
    y: np.ndarray
    ending: str = ""
    steps: bool = False

    @property
    def last(self) -> str:
        """Its last value."""
        return self.ending or f"{self.y[-1]:.4g}"

    @property
    def is_marked(self) -> bool:
        """Whether each point gets a mark."""
        return len(self.x) <= FEW and not self.steps


class Band(NamedTuple):
    """A part of x, such as a round, and its names, the longest first."""

    names: tuple[str, ...]
    begin: float
    end: float


class Label(NamedTuple):
    """A text at the right of a drawing, at a height in its units."""

    height: float
    text: str
    colour: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """Curves over one axis.

    Attributes:
        title: What y is; it also names the drawing for those who cannot see
            it.
        x_name: What x is.
        curves: One or more, each with a point or more.
        bases: Name and value of dashed lines to hold the curves to.
        bands: Parts of x; every other one is shaded.
        extent: Of x, where it is more than that of curves and bands.
        from_zero: Whether y begins at 0.
        width: Units of the drawing, as all lengths here.
        height: From the top.
        left, right, top, bottom: Of the axes' frame.
    """

    title: str
    x_name: str
    curves: Sequence[Curve]
    _: dataclasses.KW_ONLY
    bases: Sequence[tuple[str, float]] = ()
    bands: Sequence[Band] = ()
    extent: tuple[float, ...] = ()
    from_zero: bool = False
    width: int = 860
    height: int = 250
    left: int = 52
    right: int = 670
    top: int = 26
    bottom: int = 210

    @functools.cached_property
    def limits(self) -> tuple[float, float]:
        """The least and the largest x; a unit apart or more."""
        edges = [edge for band in self.bands for edge in band[1:]]
        x = np.concatenate([*(c.x for c in self.curves), edges, self.extent])
        return x.min(), max(x.max(), x.min() + 1)

    @functools.cached_property
    def ticks(self) -> np.ndarray:
        """Where y is written, from the least to the largest."""
        values = [value for _, value in self.bases]
        y = np.concatenate([*(c.y for c in self.curves), values])
        least, most = (0.0 if self.from_zero else y.min()), y.max()
        if most <= least:
            room = abs(least) / 2 or 0.5  # So that a rate's axis stays above 0.
            least, most = least - room, least + room
        return MaxNLocator(5).tick_values(least, most)

    @property
    def x_ticks(self) -> list[float]:
        """Where x is written."""
        least, most = self.limits
        ticks = MaxNLocator(8, integer=True).tick_values(least, most)
        return [tick for tick in ticks if least <= tick <= most]

    def across(self, value: float) -> float:
        """Returns the place of an x, in units from the left."""
        least, most = self.limits
        share = (value - least) / (most - least)
        return round(self.left + share * (self.right - self.left), 1)

    def down(self, value: float) -> float:
        """Returns the place of a y, in units from the top."""
        least, most = self.ticks[[0, -1]]
        share = (value - least) / (most - least)
        return round(self.bottom - share * (self.bottom - self.top), 1)

    def band_name(self, band: Band) -> str:
        """Returns the longest of its names that it has room for."""
        room = (self.across(band.end) - self.across(band.begin)) / LETTER
        return next((name for name in band.names if len(name) <= room), "")

    def points(self, curve: Curve) -> list[Point]:
        """Returns the places of a curve's points."""
        return [
            (self.across(x), self.down(y))
            for x, y in zip(curve.x, curve.y, strict=True)
        ]

    def path(self, curve: Curve) -> str:
        """Returns a curve as a polyline has it, with the corners of steps."""
        path = points = self.points(curve)
        if curve.steps:
            begin = self.across(max(curve.x[0] - 1, self.limits[0]))
            before = [(begin, 0.0), *points]
            corners = zip(before, points)  # Each where two steps meet.
            path = [p for (x, _), (to, y) in corners for p in ((x, y), (to, y))]
        return " ".join(f"{x},{y}" for x, y in path)

    def labels(self) -> Iterator[Label]:
        """Yields names where curves end, apart from one another."""
        labels = [
            Label(self.down(c.y[-1]), f"{c.name} {c.ending}".strip(), c.colour)
            for c in self.curves
        ]
        labels += [
            Label(self.down(value), f"{name} {value:.1f}", "quiet")
            for name, value in self.bases
        ]
        labels.sort(key=lambda label: label.height)
        heights = move_apart([label.height for label in labels], LINE)
        # What was moved below the drawing moves all of them up again.
        excess = max(0.0, heights[-1] - (self.height - 6))
        for height, label in zip(heights, labels, strict=True):
            yield label._replace(height=height - excess)


def of_history(
    history: History,
    title: str,
    quantities: Mapping[str, tuple[str, str]],
    *,
    in_percent: bool = False,
    steps: bool = False,
    bases: Mapping[str, float] | None = None,
    **options: Any,
) -> Iterator[Chart]:
    """Yields a chart over the epochs, or nothing where nothing is known.

    Args:
        history: A dict an epoch.
        title: What the quantities are.
        quantities: Name and colour by the key that the history has them by.
        in_percent: Whether they, and the bases, are fractions.
        steps: Of each `Curve`.
        bases: Values to hold the curves to, by name.
        **options: Of the `Chart`.
    """
    scale, curves = (100 if in_percent else 1), []
    for key, (name, colour) in quantities.items():
        epochs, values = series(history, key)
        if len(epochs):
            ending = f"{100 * values[-1]:.1f}" if in_percent else _short(values)
            curves.append(
                Curve(name, colour, epochs, scale * values, ending, steps)
            )
    if curves:
        lines = [(k, scale * value) for k, value in (bases or {}).items()]
        yield Chart(title, "epoch", curves, bases=lines, **options)


def _short(values: np.ndarray) -> str:
    """The last value with four digits, and never as a power of ten."""
    return np.format_float_positional(
        values[-1], precision=4, fractional=False, trim="-"
    )
