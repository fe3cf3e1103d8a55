"""The quiet frame that a panel has, and names where its curves end."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour

LABEL_GAP = 10  # Pixels between a curve's end and its name.
LABEL_HEIGHT = 17


def dress(axes: Axes) -> None:
    """Leaves two grey spines, and fine lines across."""
    ink, grey = canvas.css(canvas.INK), canvas.css(canvas.GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(grey)
    axes.tick_params(colors=grey, labelcolor=ink, labelsize=10)
    axes.grid(axis="y", color="#0000001a", linewidth=0.8)
    axes.set_axisbelow(True)


def name_ends(axes: Axes, labels: list[tuple[float, str, Colour]]) -> None:
    """Names curves at the right, where they end; there is no legend.

    Args:
        axes: With all its curves.
        labels: (value on the y axis, text, colour); those too close to one
            another are moved apart.
    """
    axes.get_ylim()  # Settles the limits that the curves ask for.
    to_axes = axes.transData + axes.transAxes.inverted()
    labels = sorted(labels, key=lambda label: label[0])
    heights = [to_axes.transform((1, value))[1] for value, _, _ in labels]
    box = axes.get_window_extent()
    apart = spread(heights, LABEL_HEIGHT / box.height)
    for height, (_, text, colour) in zip(apart, labels, strict=True):
        axes.text(
            1 + LABEL_GAP / box.width,
            height,
            text,
            transform=axes.transAxes,
            size=10.5,
            color=canvas.css(colour),
            verticalalignment="center",
            parse_math=False,
        )


def spread(places: Sequence[float], room: float) -> list[float]:
    """Moves ascending places up until each is `room` above the one before."""
    moved = list(places)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + room)
    return moved
