"""Computes the positions of curves as inline SVG, which a template draws.

Matplotlib, which draws curves.png, is not used: the colours of its SVG do not
follow the page's dark mode, its ids repeat from one drawing to the next, and
its style applies to the whole page. These curves follow the page's light and
dark mode, use its font, and give their last values to screen readers.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from and_tf.figures.panels import History, move_apart, series

# Up to this number of points, each point gets a mark. A single point has no
# line and would not be visible without a mark.
FEW = 40
LETTER = 7.0  # About the width of a letter, in units of the drawing.
LINE = 15  # The least distance between the names of two curves.

Point = tuple[float, float]
# The name and the colour of each curve, by the figure that it shows.
Quantities = Mapping[str, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Curve:
    """A curve of a chart.

    Attributes:
        name: The name, which is written at the end of the curve.
        colour: A class of the style sheet: "blue", "orange", …
        x: float64 [n], ascending.
        y: float64 [n].
        ending: The text after the name, such as the last value.
        steps: True draws steps: each value holds from the point before it, and
            the first value over one unit of x.
    """

    name: str
    colour: str
    x: np.ndarray
    y: np.ndarray
    ending: str = ""
    steps: bool = False

    @property
    def last(self) -> str:
        """The curve's last value, as text."""
        return self.ending or f"{self.y[-1]:.4g}"

    @property
    def is_marked(self) -> bool:
        """True if each point gets a mark."""
        return len(self.x) <= FEW and not self.steps


class Band(NamedTuple):
    """A range of x, such as a round, and its names, the longest first."""

    names: tuple[str, ...]
    begin: float
    end: float


class Label(NamedTuple):
    """A text at the right of a drawing, at a distance from the top."""

    height: float
    text: str
    colour: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart of curves that share both axes.

    Attributes:
        title: The name of the y axis, which is also the name of the drawing
            for screen readers.
        x_name: The name of the x axis.
        curves: One or more curves, each with one or more points.
        bases: The names and values of dashed lines to compare curves with.
        bands: Ranges of x; every other one is shaded.
        extent: Values of x that the axis has to include, besides those of the
            curves and bands.
        from_zero: True begins the y axis at 0.
        width: The width of the drawing. All lengths are in its units.
        height: The height of the drawing.
        left, right, top, bottom: The positions of the axes' frame, from the
            left and from the top.
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
        """The least and the largest x, at least one unit apart."""
        edges = [edge for band in self.bands for edge in band[1:]]
        x = np.concatenate([*(c.x for c in self.curves), edges, self.extent])
        return x.min(), max(x.max(), x.min() + 1)

    @functools.cached_property
    def ticks(self) -> np.ndarray:
        """The values of y that are written at the axis, ascending."""
        values = [value for _, value in self.bases]
        y = np.concatenate([*(c.y for c in self.curves), values])
        least, most = (0.0 if self.from_zero else y.min()), y.max()
        if most <= least:
            room = abs(least) / 2 or 0.5  # The axis of a rate stays above 0.
            least, most = least - room, least + room
        return np.asarray(MaxNLocator(5).tick_values(least, most))

    @property
    def x_ticks(self) -> list[float]:
        """The values of x that are written at the axis, ascending."""
        least, most = self.limits
        ticks = MaxNLocator(8, integer=True).tick_values(least, most)
        return [tick for tick in ticks if least <= tick <= most]

    def across(self, value: float) -> float:
        """Returns the position of a value of x, in units from the left."""
        least, most = self.limits
        share = (value - least) / (most - least)
        return round(self.left + share * (self.right - self.left), 1)

    def down(self, value: float) -> float:
        """Returns the position of a value of y, in units from the top."""
        least, most = self.ticks[[0, -1]]
        share = (value - least) / (most - least)
        return round(self.bottom - share * (self.bottom - self.top), 1)

    def band_name(self, band: Band) -> str:
        """Returns the longest name that fits the band, or "" if none fits."""
        room = (self.across(band.end) - self.across(band.begin)) / LETTER
        return next((name for name in band.names if len(name) <= room), "")

    def points(self, curve: Curve) -> list[Point]:
        """Returns the positions (x, y) of a curve's points."""
        return [
            (self.across(x), self.down(y))
            for x, y in zip(curve.x, curve.y, strict=True)
        ]

    def path(self, curve: Curve) -> str:
        """Returns a curve as the points of an SVG polyline, steps included."""
        path = points = self.points(curve)
        if curve.steps:
            begin = self.across(max(curve.x[0] - 1, self.limits[0]))
            before = [(begin, 0.0), *points]
            corners = zip(before, points)  # A step begins at each corner.
            path = [p for (x, _), (to, y) in corners for p in ((x, y), (to, y))]
        return " ".join(f"{x},{y}" for x, y in path)

    def labels(self) -> Iterator[Label]:
        """Yields names at the ends of curves, moved apart from one another."""
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
        # If names were moved below the drawing, all names are moved up again.
        excess = max(0.0, heights[-1] - (self.height - 6))
        for height, label in zip(heights, labels, strict=True):
            yield label._replace(height=height - excess)


def of_history(
    history: History,
    title: str,
    quantities: Quantities,
    *,
    in_percent: bool = False,
    steps: bool = False,
    bases: Mapping[str, float] | None = None,
    **options: Any,
) -> Iterator[Chart]:
    """Yields a chart over the epochs, or nothing if there are no values.

    Args:
        history: One dict for each epoch.
        title: The name of the y axis.
        quantities: The name and colour of each curve, by its key in the
            history.
        in_percent: True if the values, and the bases, are fractions that are
            shown in percent.
        steps: True draws the curves as steps, see `Curve`.
        bases: Values to compare the curves with, by name.
        **options: Further attributes of the `Chart`.
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
    """Returns the last value with four digits, without an exponent."""
    return np.format_float_positional(
        values[-1], precision=4, fractional=False, trim="-"
    )
