"""Draw speed.png: how cost grows."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from and_tf.figures import axes_style, canvas
from benchmarks.harness.comparison import best_of

WIDTH, HEIGHT = 1200, 420  # Pixels; HEIGHT of a panel's row.
# Of the whole picture: the edges of the panels, and the room between two.
LEFT, RIGHT, GAP = 80 / WIDTH, 1 - 200 / WIDTH, 0.9
COLOURS = (canvas.BLUE, canvas.ORANGE, canvas.GREEN, canvas.VERMILION)
SHOWN = (
    "growth_step",
    "growth_memory",
    "growth_refresh",
    "loss_memory",
    "growth_replicas",
)
# How cases name the number that a panel is over, by what that number is.
OVER = {
    "N, rows of the bank": r"N = (\d+(?:,\d{3})*)(?:, (.*))?",
    "replicas": r"(\d+) replicas(?:, (.*))?",
}
Curves = dict[str, list[tuple[float, float]]]


def panels(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the files that have a panel."""
    by_name = {file["name"]: file for file in found}
    return [by_name[name] for name in SHOWN if name in by_name]


def over(file: Mapping[str, Any]) -> str:
    """Return what the cases of a file differ in, a key of `OVER`."""
    title = file["cases"][0]["title"]
    return next(what for what, form in OVER.items() if re.match(form, title))


def curves(file: Mapping[str, Any]) -> Curves:
    """Return (N, best figure) by side, or by what a case has beside N."""
    best, found = best_of(file["unit"]), {}
    for case in file["cases"]:
        number, other = re.match(OVER[over(file)], case["title"]).groups()
        for side in case["sides"]:
            point = float(number.replace(",", "")), best(side["figures"])
            found.setdefault(other or side["name"], []).append(point)
    return found


def draw(found: Sequence[Mapping[str, Any]], path: pathlib.Path) -> bool:
    """Draw what there is; return whether there was anything."""
    shown = panels(found)
    if not shown:
        return False
    rows = -(-len(shown) // 2)
    figure = canvas.new_figure(WIDTH, rows * HEIGHT)
    grid = figure.add_gridspec(
        rows, 2, left=LEFT, right=RIGHT, bottom=70 / HEIGHT / rows,
        top=1 - 60 / HEIGHT / rows, wspace=GAP, hspace=0.45,
    )  # fmt: skip
    for place, file in zip(grid, shown, strict=False):
        _panel(figure.add_subplot(place), file)
    canvas.save_png(canvas.pixels(figure), path)
    return True


def _panel(axes: Axes, file: Mapping[str, Any]) -> None:
    axes_style.dress(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    # A panel may span less than a decade: plain numbers, at 1, 2 and 5.
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if over(file) == "replicas":
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 4)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    labels = []
    for (name, points), colour in zip(curves(file).items(), COLOURS):
        x, y = zip(*sorted(points), strict=True)
        axes.plot(x, y, marker="o", color=canvas.css(colour), linewidth=1.8)
        labels.append((y[-1], name, colour))
    axes.set_title(
        f"{file['title']}, {file['unit']}",
        loc="left", size=12, weight="bold", color=canvas.css(canvas.INK),
    )  # fmt: skip
    axes.set_xlabel(over(file), color=canvas.css(canvas.INK))
    axes_style.name_ends(axes, labels)
