"""Draws panels of curves: frames, lines, bars, names and a run's rounds."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour

LABEL_GAP = 10  # Pixels between a curve's end and its name.
LABEL_HEIGHT = 17
CHARACTER = 8  # About the width of a letter in a band's name, in pixels.
# Up to this number of points, each point gets a mark. A single point has no
# line and would not be visible without a mark.
FEW = 40

History = Sequence[Mapping[str, Any]]  # One dict for each epoch.
Label = tuple[float, str, Colour]  # A value on the y axis, its name, colour.


def add_panel(
    figure: Figure,
    left: float,
    top: float,
    width: float,
    height: float,
    unit: str = "",
) -> Axes:
    """Adds axes with two grey spines and fine horizontal lines.

    Args:
        figure: The figure to draw on.
        left: The position of the axes from the left, in pixels.
        top: The position of the axes from the top, in pixels.
        width: The width of the axes, in pixels.
        height: The height of the axes, in pixels.
        unit: The name of the y axis.
    """
    axes = canvas.add_axes(figure, left, top, width, height)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(canvas.GREY)
    axes.tick_params(colors=canvas.GREY, labelcolor=canvas.INK, labelsize=10)
    axes.grid(axis="y", color="#0000001a", linewidth=0.8)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(size=11, color=canvas.INK)
    axes.set_ylabel(unit)
    axes.yaxis.set_label_coords(-64 / width, 0.5)
    return axes


def draw_line(
    axes: Axes,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    colour: Colour,
    steps: bool = False,
) -> None:
    """Draws one curve, and marks its points if there are at most `FEW`.

    Args:
        axes: The axes to draw on.
        x: [n] numbers, ascending.
        y: [n] numbers.
        colour: The colour of the line and its marks.
        steps: True draws steps without marks: each value holds from the x
            before it, and the first value over a length of 1.
    """
    if steps:
        x, y = np.append(x[0] - 1, x), np.append(y[0], y)
    axes.plot(
        x,
        y,
        color=colour,
        linewidth=1.8,
        drawstyle="steps-pre" if steps else "default",
        marker="o" if len(x) <= FEW and not steps else "",
        markersize=4,
        clip_on=False,
        zorder=3,
    )


def draw_baseline(axes: Axes, value: float, text: str) -> Label:
    """Draws a dashed line to compare curves with, and returns its label."""
    axes.axhline(value, color=canvas.GREY, linestyle=(0, (4, 3)), linewidth=1.2)
    return value, text, canvas.GREY


def draw_stack(
    axes: Axes,
    place: float,
    width: float,
    parts: Iterable[tuple[float, Colour]],
    text: str = "",
) -> None:
    """Draws a bar of stacked parts with a text above it.

    Args:
        axes: The axes to draw on.
        place: The middle of the bar on the x axis.
        width: The width of the bar, in units of the x axis.
        parts: The height and the colour of each part, from the bottom.
        text: The text above the bar.
    """
    top = 0.0
    for height, colour in parts:
        axes.bar(place, height, width, bottom=top, color=colour)
        top += height
    axes.text(
        place,
        top,
        text,
        size=10,
        color=canvas.INK,
        horizontalalignment="center",
        verticalalignment="bottom",
    )


def name_ends(axes: Axes, labels: Iterable[Label]) -> None:
    """Writes the names of curves at their right ends, instead of a legend.

    Args:
        axes: The axes, with all curves drawn.
        labels: The labels of the curves. Labels that are too close to one
            another are moved apart.
    """
    axes.get_ylim()  # Makes Matplotlib compute the limits of the y axis.
    to_axes = axes.transData + axes.transAxes.inverted()
    labels = sorted(labels, key=lambda label: label[0])
    heights = [to_axes.transform((1, value))[1] for value, _, _ in labels]
    box = axes.get_window_extent()
    apart = move_apart(heights, LABEL_HEIGHT / box.height)
    for height, (_, text, colour) in zip(apart, labels, strict=True):
        axes.text(
            1 + LABEL_GAP / box.width,
            height,
            text,
            transform=axes.transAxes,
            size=10.5,
            color=colour,
            verticalalignment="center",
            parse_math=False,
        )


def move_apart(places: Sequence[float], room: float) -> list[float]:
    """Moves ascending places up, so that each is `room` above the last one."""
    moved = list(places)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + room)
    return moved


def series(history: History, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the epochs that have a finite value, and their values.

    Args:
        history: One dict for each epoch, with its number `epoch` from 0.
        key: The key of the value.

    Returns:
        Two float64 arrays [m]; the epochs are counted from 1.
    """
    points = [
        (row["epoch"] + 1, row[key])
        for row in history
        if row.get(key) is not None and np.isfinite(row[key])
    ]
    epochs, values = np.array(points, np.float64).reshape(-1, 2).T
    return epochs, values


@dataclasses.dataclass(frozen=True)
class Span:
    """The epochs of one round.

    Attributes:
        round: The number of the round; 0 is instance learning, and None is
            unknown.
        begin: The number of epochs that were finished before the round.
        rows: The round's part of the history.
    """

    round: int | None
    begin: int
    rows: History

    @property
    def end(self) -> int:
        """The number of epochs that were finished at the round's end."""
        return self.rows[-1]["epoch"] + 1

    @property
    def middle(self) -> float:
        """The middle of the round on the x axis, where its name is written."""
        return (self.begin + self.end) / 2

    def first(self, key: str) -> float | None:
        """Returns the first value of `key` within the round."""
        values = (row.get(key) for row in self.rows)
        return next((value for value in values if value is not None), None)

    def fitting(self, axes: Axes, texts: Sequence[str]) -> str:
        """Returns the first text that fits the width of the round's band.

        Args:
            axes: The axes of the band, whose limits of x are set.
            texts: The texts to choose from, the longest first.

        Returns:
            The text, or "" if no text fits.
        """
        first, last = axes.get_xlim()
        share = (self.end - self.begin) / (last - first)
        room = share * axes.get_window_extent().width / CHARACTER
        return next((text for text in texts if len(text) <= room), "")


def spans_of(history: History) -> list[Span]:
    """Splits a history, which is in order of its epochs, into its rounds."""
    spans = []
    for number, group in itertools.groupby(history, lambda r: r.get("round")):
        rows = list(group)
        spans.append(Span(number, rows[0]["epoch"], rows))
    return spans


def shade_rounds(axes: Axes, spans: Sequence[Span]) -> None:
    """Shades every other round behind a panel's curves."""
    for span in spans[1::2]:
        axes.axvspan(span.begin, span.end, color="#eef1f4", zorder=0)


def name_rounds(axes: Axes, spans: Sequence[Span], rounds: int) -> None:
    """Writes the rounds' names above a panel, shortened to fit their bands.

    Args:
        axes: The axes of the panel, whose limits of x are set.
        spans: The rounds, from `spans_of`.
        rounds: The number of rounds R; 0 leaves it out of the names.
    """
    of = f"/{rounds}" if rounds else ""
    for span in spans:
        number = span.round
        names = [f"round {number}{of}", f"{number}{of}", f"{number}"]
        if not number:
            names = [] if number is None else ["instance", "0"]
        axes.text(
            span.middle,
            1.03,
            span.fitting(axes, names),
            transform=axes.get_xaxis_transform(),
            size=10,
            color=canvas.GREY,
            horizontalalignment="center",
        )
