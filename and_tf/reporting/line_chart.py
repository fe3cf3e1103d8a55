"""Curves as inline SVG, in the colours of the page that they stand on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from and_tf.figures.panels import move_apart
from and_tf.reporting.markup import Html, element

WIDTH, HEIGHT = 860, 250  # Units of the drawing, as all lengths here.
LEFT, RIGHT, TOP, BOTTOM = 52, 190, 26, 40
FEW = 40  # Points, up to which each gets a mark; one alone has no line.
LETTER = 7.0  # About the width of one.
LINE = 15  # Between the names of two curves.


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


@dataclasses.dataclass(frozen=True)
class Band:
    """A part of x, such as a round, and its names, the longest first."""

    names: tuple[str, ...]
    begin: float
    end: float


@dataclasses.dataclass(frozen=True)
class Scale:
    """Where values stand on the drawing.

    Attributes:
        x: The least and the largest.
        y: The same of y.
    """

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        """Units from the left."""
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def down(self, value: float) -> float:
        """Units from the top."""
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def line_chart(
    title: str,
    x_name: str,
    curves: Sequence[Curve],
    *,
    bases: Sequence[tuple[str, float]] = (),
    bands: Sequence[Band] = (),
    extent: tuple[float, float] | None = None,
    from_zero: bool = False,
) -> Html:
    """Draws curves over one axis.

    Args:
        title: What y is; it also names the drawing for those who cannot see
            it.
        x_name: What x is.
        curves: One or more, each with a point or more.
        bases: Name and value of dashed lines to hold the curves to.
        bands: Parts of x; every other one is shaded.
        extent: Of x, where it is more than that of curves and bands.
        from_zero: Whether y begins at 0.

    Returns:
        A figure whose drawing scrolls where the page is narrow.
    """
    edges = [edge for band in bands for edge in (band.begin, band.end)]
    edges += extent or ()
    scale, ticks = _scale(curves, [v for _, v in bases], edges, from_zero)
    said = "; ".join(f"{c.name} {c.ending or f'{c.y[-1]:.4g}'}" for c in curves)
    drawing = element(
        "svg",
        *_bands(scale, bands),
        *_axes(scale, ticks, x_name),
        *(_base(scale, value) for _, value in bases),
        *(_curve(scale, curve) for curve in curves),
        *_names(scale, curves, bases),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{title}. At the end: {said}.",
    )
    box = element(
        "div", drawing, class_="scroll", role="region", tabindex=0,
        aria_label=title,
    )  # fmt: skip
    return element("figure", element("h3", title), box, class_="chart")


def _scale(
    curves: Sequence[Curve],
    bases: Sequence[float],
    edges: Sequence[float],
    from_zero: bool,
) -> tuple[Scale, np.ndarray]:
    """The scale that shows everything, and where y is written."""
    x = np.concatenate([*(c.x for c in curves), edges])
    y = np.concatenate([*(c.y for c in curves), bases])
    least, most = (0.0 if from_zero else y.min()), y.max()
    if most <= least:
        room = abs(least) / 2 or 0.5  # So that a rate's axis stays above 0.
        least, most = least - room, least + room
    ticks = MaxNLocator(5).tick_values(least, most)
    end = max(x.max(), x.min() + 1)
    return Scale((x.min(), end), (ticks[0], ticks[-1])), ticks


def _bands(scale: Scale, bands: Sequence[Band]) -> list[Html]:
    parts = []
    for place, band in enumerate(bands):
        left, right = scale.across(band.begin), scale.across(band.end)
        if place % 2:
            parts.append(
                element(
                    "rect",
                    x=left,
                    y=TOP,
                    width=round(right - left, 1),
                    height=HEIGHT - TOP - BOTTOM,
                    class_="band",
                )  # fmt: skip
            )
        room = (right - left) / LETTER
        name = next((text for text in band.names if len(text) <= room), "")
        parts.append(_text((left + right) / 2, TOP - 9, name, "middle"))
    return parts


def _axes(scale: Scale, ticks: np.ndarray, x_name: str) -> list[Html]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in ticks:
        height = scale.down(tick)
        parts += [
            _line(LEFT, height, right, height, "grid"),
            _text(LEFT - 8, height + 4, f"{tick:g}", "end"),
        ]
    for tick in MaxNLocator(8, integer=True).tick_values(*scale.x):
        if scale.x[0] <= tick <= scale.x[1]:
            place = scale.across(tick)
            parts.append(_text(place, bottom + 17, f"{tick:g}", "middle"))
    middle = (LEFT + right) / 2
    return [*parts, _text(middle, bottom + 34, x_name, "middle")]


def _base(scale: Scale, value: float) -> Html:
    height = scale.down(value)
    return _line(LEFT, height, WIDTH - RIGHT, height, "base")


def _curve(scale: Scale, curve: Curve) -> Html:
    points = [
        (scale.across(x), scale.down(y))
        for x, y in zip(curve.x, curve.y, strict=True)
    ]
    path = points
    if curve.steps:
        begin = scale.across(max(curve.x[0] - 1, scale.x[0]))
        before = [(begin, 0.0), *points]
        corners = zip(before, points)  # Each where two steps meet.
        path = [p for (x, _), (to, y) in corners for p in ((x, y), (to, y))]
    written = " ".join(f"{x},{y}" for x, y in path)
    parts = [element("polyline", points=written, class_="curve")]
    if len(points) <= FEW and not curve.steps:
        parts += [element("circle", cx=x, cy=y, r=3) for x, y in points]
    return element("g", *parts, class_=curve.colour)


def _names(
    scale: Scale,
    curves: Sequence[Curve],
    bases: Sequence[tuple[str, float]],
) -> list[Html]:
    """Names at the right, where curves end, apart from one another."""
    names = [
        (scale.down(c.y[-1]), f"{c.name} {c.ending}".strip(), c.colour)
        for c in curves
    ]
    names += [
        (scale.down(value), f"{name} {value:.1f}", "quiet")
        for name, value in bases
    ]
    names.sort(key=lambda name: name[0])
    heights = move_apart([height for height, _, _ in names], LINE)
    # What was moved below the drawing moves all of them up again.
    excess = max(0.0, heights[-1] - (HEIGHT - 6))
    return [
        _text(WIDTH - RIGHT + 10, height - excess + 4, text, "start", colour)
        for height, (_, text, colour) in zip(heights, names, strict=True)
    ]


def _text(x: float, y: float, text: str, anchor: str, colour: str = "") -> Html:
    return element(
        "text", text, x=round(x, 1), y=round(y, 1), text_anchor=anchor,
        class_=f"name {colour}" if colour else None,
    )  # fmt: skip


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)
