"""How right the neighbourhoods of each round were, and the certain ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from and_tf.figures import canvas
from and_tf.figures.axes_style import dress, name_ends

WIDTH, HEIGHT = 1200, 520  # Pixels, as all lengths here.
TOP, BOTTOM = 96, 78
LEFT, CURVES, GAP, BARS = 72, 520, 204, 254
# From the first round to the last.
SHADES = LinearSegmentedColormap.from_list(
    "rounds", [canvas.css(canvas.SKY), canvas.css(canvas.BLUE), "#00304c"]
)


@dataclasses.dataclass(frozen=True)
class Round:
    """What is drawn of a round.

    Attributes:
        number: r.
        shares: float64 [m], consistency of equal parts of the samples,
            lowest entropy first; NaN is left out.
        selected: The share of the samples that were its anchors.
        consistent: Anchors of one class with all their neighbours.
        inconsistent: The others.
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
        rounds: In order.
        chance: Consistency of neighbours drawn at random.
        neighbours: k, of each sample.
        title: Stands above everything.

    Returns:
        uint8 [height, width, 3].
    """
    figure = canvas.new_figure(WIDTH, HEIGHT)
    height = HEIGHT - TOP - BOTTOM
    curves, bars = (
        figure.add_axes(
            (left / WIDTH, BOTTOM / HEIGHT, width / WIDTH, height / HEIGHT)
        )
        for left, width in ((LEFT, CURVES), (LEFT + CURVES + GAP, BARS))
    )
    _draw_curves(curves, rounds, chance)
    _draw_bars(bars, rounds, neighbours)
    for left, text in (
        (LEFT, "consistency by entropy, %"),
        (LEFT + CURVES + GAP, "anchors' neighbourhoods"),
    ):
        canvas.write(figure, left, TOP - 18, text, size=11.5)
    canvas.write(figure, LEFT, 44, title, size=15, weight="bold")
    return canvas.pixels(figure)


def _draw_curves(axes: Axes, rounds: Sequence[Round], chance: float) -> None:
    """A line a round, thin where its samples were no anchors."""
    dress(axes)
    axes.axhline(
        100 * chance,
        color=canvas.css(canvas.GREY),
        linestyle=(0, (4, 3)),
        linewidth=1.2,
    )
    labels = [(100 * chance, f"chance {100 * chance:.0f} %", canvas.GREY)]
    for shade, drawn in zip(_shades(len(rounds)), rounds, strict=True):
        places = 100 * (np.arange(len(drawn.shares)) + 0.5) / len(drawn.shares)
        values = 100 * drawn.shares
        anchors = places < 100 * drawn.selected
        for width, mask in ((1.0, np.ones_like(anchors)), (2.8, anchors)):
            axes.plot(
                places[mask],
                values[mask],
                color=canvas.css(shade),
                linewidth=width,
                marker="o",
                markersize=1.6 * width,
                clip_on=False,
            )
        known = values[np.isfinite(values)]
        if len(known):
            labels.append((known[-1], f"round {drawn.number}", shade))
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(
        "samples in order of entropy, lowest first, %  (thick: anchors)",
        size=11,
        color=canvas.css(canvas.INK),
    )
    name_ends(axes, labels)


def _draw_bars(axes: Axes, rounds: Sequence[Round], neighbours: int) -> None:
    """Anchors of one class below, the others above, a bar a round."""
    dress(axes)
    for drawn in rounds:
        agree, differ = drawn.consistent, drawn.inconsistent
        for bottom, count, colour in (
            (0, agree, canvas.GREEN),
            (agree, differ, canvas.VERMILION),
        ):
            axes.bar(drawn.number, count, 0.8, bottom, color=canvas.css(colour))
        if agree + differ and len(rounds) <= 8:
            axes.text(
                drawn.number,
                agree + differ,
                f"{100 * agree / (agree + differ):.0f} % ✓",
                size=10,
                color=canvas.css(canvas.INK),
                horizontalalignment="center",
                verticalalignment="bottom",
            )
    axes.margins(y=0.1)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(rounds[0].number - 0.6, rounds[-1].number + 0.6)
    axes.set_xlabel("round", size=11, color=canvas.css(canvas.INK))
    last = rounds[-1]
    whole, part = "✓ same class", "✗ another class"
    if neighbours > 1:
        whole, part = f"✓ all {neighbours} of its class", "✗ not all"
    name_ends(
        axes,
        [
            (last.consistent / 2, whole, canvas.GREEN),
            (
                last.consistent + last.inconsistent / 2,
                part,
                canvas.VERMILION,
            ),
        ],
    )


def _shades(count: int) -> list[canvas.Colour]:
    """A colour a round, darker with each."""
    places = np.linspace(0, 1, count) if count > 1 else [0.5]
    return [
        tuple(int(round(255 * part)) for part in SHADES(place)[:3])
        for place in places
    ]
