"""Draw kNN over minutes, or over views: a picture a section of the page."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

from and_tf.figures import canvas
from and_tf.figures.panels import add_panel, draw_line, name_ends
from benchmarks.harness.tables import File
from benchmarks.peers import page
from benchmarks.peers.setting import SPLITS

WIDTH, HEIGHT = 1440, 440  # Pixels, as all lengths here.
LEFT, TOP, BOTTOM, ROOM = 80, 60, 70, 310
PANELS = {
    "plain": "kNN of plain features",
    "whitened": "kNN of whitened features",
}
OVER = {"minutes": "minutes of training", "million_views": "million views"}
Points = dict[str, list[tuple[float, float]]]


def curves(files: Sequence[File], kind: str) -> Points:
    """Return (budget, mean kNN in percent) by side.

    Args:
        files: Of one split and unit.
        kind: A key of `PANELS`.
    """
    found: Points = {}
    for name in dict.fromkeys(map(page.name_of, files)):
        for amount in page.amounts_of(files):
            mean, _ = page.accuracy(files, name, amount, kind)
            if mean is not None:
                found.setdefault(name, []).append((amount, 100 * mean))
    return found


def draw_all(
    found: Sequence[File], directory: pathlib.Path
) -> list[pathlib.Path]:
    """Draw a picture of each split and unit that there are figures of.

    Args:
        found: The files of trainings.
        directory: Of the pictures.

    Returns:
        The pictures' paths.
    """
    drawn = []
    for split in SPLITS:
        for unit in OVER:
            files = page.chosen_of(found, split, unit)
            if files:
                drawn.append(directory / page.picture(split, unit))
                _draw(files, unit, drawn[-1])
    return drawn


def _draw(files: Sequence[File], unit: str, path: pathlib.Path) -> None:
    figure = canvas.new_figure(WIDTH, HEIGHT)
    width = (WIDTH - 2 * (LEFT + ROOM)) / 2
    for place, (kind, title) in enumerate(PANELS.items()):
        left = LEFT + place * (width + ROOM + LEFT)
        axes = add_panel(figure, left, TOP, width, HEIGHT - TOP - BOTTOM)
        _panel(axes, curves(files, kind), page.amounts_of(files))
        axes.set_title(
            f"{title}, %",
            loc="left", size=12, weight="bold", color=canvas.INK,
        )  # fmt: skip
        axes.set_xlabel(OVER[unit])
    canvas.save_png(canvas.pixels(figure), path)


def _panel(axes: Axes, found: Points, amounts: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(amounts))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    labels = []
    # Variants of sides may be more than there are colours.
    colours = (canvas.PALETTE * (1 + len(found)))[: len(found)]
    for (name, points), colour in zip(found.items(), colours, strict=True):
        x, y = zip(*points, strict=True)
        draw_line(axes, x, y, colour)
        labels.append((y[-1], name, colour))
    name_ends(axes, labels)
