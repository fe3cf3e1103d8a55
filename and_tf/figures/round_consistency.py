"""Draws the consistency of each round's neighbourhoods and its anchors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.ticker import MaxNLocator

from and_tf.figures import canvas
from and_tf.figures.canvas import Text
from and_tf.figures.panels import (
    add_panel,
    draw_baseline,
    draw_stack,
    name_ends,
)
from and_tf.utils.averages import percent

WIDTH, HEIGHT, TOP, BOTTOM = 1200, 520, 96, 78  # All lengths are in pixels.
CURVES, BARS = (72, 520), (796, 254)  # Left and width of the panels.
# The colours from the first round to the last.
SHADES = LinearSegmentedColormap.from_list(
    "rounds", [canvas.SKY, canvas.BLUE, "#00304c"]
)


@dataclasses.dataclass(frozen=True)
class Round:
    """The consistency of one round's neighbourhoods.

    Attributes:
        number: The number r of the round; 0 for an encoder as it began.
        shares: float64 [m], the consistency in m equal parts of the samples,
            lowest entropy first; NaN is not drawn.
        selected: The fraction of the samples that are anchors.
        consistent: The number of anchors whose neighbours all have the
            anchor's class.
        inconsistent: The number of other anchors.
    """

    number: int
    shares: np.ndarray
    selected: float
    consistent: int
    inconsistent: int


def consistency_array(
    rounds: Sequence[Round],
    *,
    chance: float,
    neighbours: int = 1,
    title: str = "",
) -> np.ndarray:
    """Draws consistency against entropy, and anchors, of all rounds.

    Args:
        rounds: The rounds, in order.
        chance: The consistency of neighbours drawn at random, as a fraction.
        neighbours: The number k of neighbours of each sample.
        title: The title above the picture.

    Returns:
        uint8 [520, 1200, 3].
    """
    figure = canvas.new_figure(WIDTH, HEIGHT)
    height = HEIGHT - TOP - BOTTOM
    for (left, width), text in (
        (CURVES, "consistency by entropy, %"),
        (BARS, "anchors' neighbourhoods"),
    ):
        add_panel(figure, left, TOP, width, height)
        canvas.write(figure, left, TOP - 18, Text(text, 11.5))
    curves, bars = figure.axes
    _draw_consistency(curves, rounds, chance)
    _draw_bars(bars, rounds, neighbours)
    canvas.write_title(figure, CURVES[0], title)
    return canvas.pixels(figure)


def _draw_consistency(
    axes: Axes, rounds: Sequence[Round], chance: float
) -> None:
    """Draws a line per round, thick for samples that are its anchors."""
    text = f"chance {percent(chance, 0)}"
    labels = [draw_baseline(axes, 100 * chance, text)]
    shades = np.linspace(0, 1, len(rounds)) if len(rounds) > 1 else [0.5]
    for place, drawn in zip(shades, rounds, strict=True):
        shade = SHADES(float(place))
        places = 100 * (np.arange(len(drawn.shares)) + 0.5) / len(drawn.shares)
        values = 100 * drawn.shares
        anchors = places < 100 * drawn.selected
        for width, mask in ((1.0, np.ones_like(anchors)), (2.8, anchors)):
            axes.plot(
                places[mask], values[mask], "o-", color=shade, linewidth=width,
                markersize=1.6 * width, clip_on=False,
            )  # fmt: skip
        known = values[np.isfinite(values)]
        if len(known):
            name = f"round {drawn.number}" if drawn.number else "start"
            labels.append((known[-1], name, to_hex(shade)))
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(
        "samples in order of entropy, lowest first, %  (thick: anchors)"
    )
    name_ends(axes, labels)


def _draw_bars(axes: Axes, rounds: Sequence[Round], neighbours: int) -> None:
    """Draws a bar per round: consistent anchors below, the others above."""
    for drawn in rounds:
        agree, differ = drawn.consistent, drawn.inconsistent
        parts = [(agree, canvas.GREEN), (differ, canvas.VERMILION)]
        text = ""
        if agree + differ and len(rounds) <= 8:
            text = f"{percent(agree / (agree + differ), 0)} ✓"
        draw_stack(axes, drawn.number, 0.8, parts, text)
    axes.margins(y=0.1)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(rounds[0].number - 0.6, rounds[-1].number + 0.6)
    axes.set_xlabel("round")
    whole, part = "✓ same class", "✗ another class"
    if neighbours > 1:
        whole, part = f"✓ all {neighbours} of its class", "✗ not all"
    top = agree + differ / 2  # The names stand beside the last round's bar.
    name_ends(
        axes,
        [(agree / 2, whole, canvas.GREEN), (top, part, canvas.VERMILION)],
    )
