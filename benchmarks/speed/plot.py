"""Draw speed.png: how cost grows."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from and_tf.figures import canvas
from and_tf.figures.panels import add_panel, draw_line, name_ends
from benchmarks.harness.comparison import best_of

WIDTH, HEIGHT = 1200, 420  # Pixels, as all lengths here; of a panel's row.
LEFT, TOP, BOTTOM, ROOM = 80, 60, 70, 200
SHOWN = (
    "growth_step",
    "growth_sampled_step",
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
    width = (WIDTH - 2 * LEFT - 2 * ROOM) / 2
    for place, file in enumerate(shown):
        row, column = divmod(place, 2)
        left = LEFT + column * (width + ROOM + LEFT)
        top = row * HEIGHT + TOP
        axes = add_panel(figure, left, top, width, HEIGHT - TOP - BOTTOM)
        _panel(axes, file)
    canvas.save_png(canvas.pixels(figure), path)
    return True


def _panel(axes: Axes, file: Mapping[str, Any]) -> None:
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
    for (name, points), colour in zip(curves(file).items(), canvas.PALETTE):
        x, y = zip(*sorted(points), strict=True)
        draw_line(axes, x, y, colour)
        labels.append((y[-1], name, colour))
    axes.set_title(
        f"{file['title']}, {file['unit']}",
        loc="left", size=12, weight="bold", color=canvas.INK,
    )  # fmt: skip
    axes.set_xlabel(over(file))
    name_ends(axes, labels)
