"""Draws a map of embeddings as points in the plane, coloured by class."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour, Text

SIDE = 800  # The map's width. All lengths here are in pixels.
AIR = 0.04  # The margin around the points, as a fraction of the width.
MARGIN, TOP, FOOT = 40, 72, 44
KEY, LINE = 220, 24
MOST_NAMED = 28  # The number of classes that the key has room for.
FEW = (*canvas.PALETTE, "#946738", "#aaaa00", "#5a3ca0")


def map_array(
    points: np.ndarray,
    labels: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    *,
    title: str = "",
    note: str = "",
) -> np.ndarray:
    """Draws a map, as high as the points need, with a key of the classes.

    Args:
        points: float [m, 2], the coordinates of the points.
        labels: int64 [m], −1 for points without a label, which are grey; None
            if there are no labels.
        class_names: The names of the classes; None shows numbers.
        title: The title above the map.
        note: A line below the map.

    Returns:
        uint8 [height, width, 3].
    """
    if labels is None:
        labels = np.full(len(points), -1)
    classes = [int(label) for label in np.unique(labels) if label >= 0]
    named = 0 < len(classes) <= MOST_NAMED
    tall = _height(points, LINE * len(classes) if named else 0)
    width = 2 * MARGIN + SIDE + (KEY if named else 0)
    height = TOP + tall + FOOT
    figure = canvas.new_figure(width, height)
    axes = canvas.add_axes(figure, MARGIN, TOP, SIDE, tall)
    colours = dict(zip(classes, palette(len(classes)), strict=True))
    _draw_points(axes, points, labels, colours)
    if named:
        texts = {c: class_names[c] if class_names else str(c) for c in classes}
        _write_key(figure, labels, colours, texts)
    canvas.write_title(figure, MARGIN, title)
    if len(classes) > MOST_NAMED:
        note = f"{note}; {len(classes)} classes, a hue each"
    canvas.write(figure, MARGIN, height - 16, Text(note), width - 2 * MARGIN)
    return canvas.pixels(figure)


def _height(points: np.ndarray, least: int) -> int:
    """Returns the height in pixels of a map of the points, `SIDE` wide.

    Args:
        points: float [m, 2], the coordinates of the points.
        least: The least height, in pixels.
    """
    across, up = np.ptp(points, axis=0) if len(points) else (1, 1)
    ratio = np.clip(up / max(across, 1e-9), 0.4, 1.2)
    return max(round(SIDE * ratio), least)


def palette(count: int) -> list[Colour]:
    """Returns `count` colours: fixed ones if there are enough, or hues."""
    if count <= len(FEW):
        return list(FEW[:count])
    hues = (
        colorsys.hsv_to_rgb(i / count, 0.85, 0.85 if i % 2 else 0.6)
        for i in range(count)
    )
    return [to_hex(hue) for hue in hues]


def _draw_points(
    axes: Axes,
    points: np.ndarray,
    labels: np.ndarray,
    colours: dict[int, Colour],
) -> None:
    """Draws all points in their order, so that no class covers the others."""
    paint = [colours.get(int(c), canvas.GREY) for c in labels]
    # The size of a point, larger if there are fewer points.
    size = float(np.clip(32_000 / max(len(points), 1), 10, 60))
    x, y = points.T
    axes.scatter(x, y, s=size, c=paint, alpha=0.75, linewidths=0)
    axes.margins(AIR)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#0000001a")


def _write_key(
    figure: Figure,
    labels: np.ndarray,
    colours: dict[int, Colour],
    texts: dict[int, str],
) -> None:
    """Writes a line per class: a dot, its name and its number of points."""
    left = MARGIN + SIDE + 24
    for i, (label, colour) in enumerate(colours.items()):
        baseline = TOP + 16 + LINE * i
        count = int((labels == label).sum())
        canvas.write(figure, left, baseline, Text("●", 12, colour))
        text = Text(f"{texts[label]}  {count:,}", 10.5)
        canvas.write(figure, left + 20, baseline, text, KEY - 20)
