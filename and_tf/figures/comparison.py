"""Compares the combinations of a sweep, with their spread over seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour
from and_tf.figures.panels import (
    Label,
    add_panel,
    draw_line,
    name_ends,
)
from and_tf.utils.averages import mean_deviation

WIDTH = 1200  # All lengths here are in pixels.
LEFT, RIGHT, TOP, BOTTOM = 92, 290, 92, 58
HEIGHT, GAP = 280, 96
MOST_LABELS = 14  # As many fit beside a panel; the table has all of them.
ROUND = "round_"  # The prefix of a round's number in the names of figures.


@dataclasses.dataclass(frozen=True)
class Series:
    """The results of one combination of the varied flags.

    Attributes:
        values: The values of the varied flags, by name.
        figures: Lists [n] with one value for each seed, by the names of
            `sweeping.metrics.figures_of`.
    """

    values: Mapping[str, Any]
    figures: Mapping[str, Sequence[float | None]]

    @property
    def rounds(self) -> list[int]:
        """The rounds that have a figure, ascending."""
        return sorted(
            int(name.removeprefix(ROUND))
            for name in self.figures
            if name.startswith(ROUND)
        )

    @property
    def name(self) -> str:
        """The values of all flags; a single flag has its name before it."""
        if len(self.values) > 1:
            return ", ".join(map(str, self.values.values()))
        return "".join(f"{n}={v}" for n, v in self.values.items())

    @property
    def others(self) -> str:
        """The values of all flags but the first, which is on the x axis."""
        return ", ".join(f"{n}={v}" for n, v in list(self.values.items())[1:])


Coloured = Sequence[tuple[Series, Colour]]


@dataclasses.dataclass(frozen=True)
class Panel:
    """A panel of one or two figures over the first varied flag.

    Attributes:
        head: The text above the panel that explains its marks.
        unit: The unit of the y axis.
        discs: The name of the figure that is drawn as discs.
        rings: The name of the figure that is drawn as rings; "" for none.
        scale: The factor that figures are multiplied by.
    """

    head: str
    unit: str
    discs: str
    rings: str = ""
    scale: float = 100.0

    def spread(self, one: Series, figure: str) -> tuple[float, float] | None:
        """Returns mean and deviation of a figure, or None if it is missing.

        The deviation of a single value is drawn as 0.
        """
        mean, deviation = mean_deviation(one.figures.get(figure, ()))
        if mean is None:
            return None
        return self.scale * mean, self.scale * (deviation or 0.0)


PANELS = (
    Panel(
        "● clean gallery, last epoch     ○ memory bank, best epoch",
        "kNN top-1, %", "knn_top1_last", "knn_top1_best",
    ),
    Panel(
        "● clusters     ○ k-means on the embeddings", "ACC, %",
        "acc", "kmeans_acc",
    ),
    Panel(
        "without labels: ● silhouette     ○ agreement between heads",
        "coefficient", "silhouette", "heads_agree", 1.0,
    ),
    Panel(
        "without labels: ● neighbours in one cluster     ○ confidence", "%",
        "neighbours_together", "confidence",
    ),
)  # fmt: skip
ROUNDS = Panel("● clean gallery, end of each round", "kNN top-1, %", "")


def comparison_array(
    combinations: Sequence[Series], title: str = ""
) -> np.ndarray | None:
    """Draws figures over the first varied flag, and over the rounds.

    Means are points; sample standard deviations are bars and bands.

    Args:
        combinations: The results of all combinations of the same flags.
        title: The title above the picture.

    Returns:
        uint8 [height, 1200, 3], or None if there is nothing to draw.
    """
    panels = [
        p for p in PANELS if any(s.figures.get(p.discs) for s in combinations)
    ]
    if not panels:
        return None
    if any(len(s.rounds) > 1 for s in combinations):
        panels.append(ROUNDS)
    coloured = _coloured(combinations)
    height = TOP + len(panels) * (HEIGHT + GAP) - GAP + BOTTOM
    figure = canvas.new_figure(WIDTH, height)
    for place, panel in enumerate(panels):
        top = TOP + place * (HEIGHT + GAP)
        width = WIDTH - LEFT - RIGHT
        axes = add_panel(figure, LEFT, top, width, HEIGHT, panel.unit)
        head, flags = panel.head, list(combinations[0].values)
        if panel is not ROUNDS:
            labels = _draw_values(axes, panel, coloured)
        else:
            labels = _draw_rounds(axes, coloured)
            if len(flags) > 1:  # The names of the curves show only values.
                head += f" (of {', '.join(flags)})"
        axes.set_title(head, size=10, color=canvas.GREY, loc="left")
        name_ends(axes, labels[:MOST_LABELS])
    canvas.write_title(figure, LEFT, title)
    return canvas.pixels(figure)


def _coloured(combinations: Sequence[Series]) -> Coloured:
    """Assigns a colour to each combination; many get shades in their order."""
    colours: Sequence[Colour] = canvas.PALETTE
    if len(combinations) > len(colours):
        places = np.linspace(0, 0.9, len(combinations))
        colours = [to_hex(colormaps["viridis"](place)) for place in places]
    return list(zip(combinations, colours))


def _draw_values(axes: Axes, panel: Panel, coloured: Coloured) -> list[Label]:
    """Draws one figure as discs, and another as rings, over a flag.

    Combinations that differ only in this flag form a group: they have the same
    colour, are joined by thin lines, and are named at the end.

    Returns:
        The label of each group.
    """
    kept = [item for item in coloured if panel.spread(item[0], panel.discs)]
    flag, places = _places(axes, [one for one, _ in kept])
    joined = _numeric([one.values.get(flag) for one, _ in kept])
    groups: dict[str, list[tuple[float, Series, Colour]]] = {}
    for place, (one, colour) in zip(places, kept, strict=True):
        group = groups.setdefault(one.others, [])
        shared = group[0][2] if group and one.others else colour
        group.append((place, one, shared))
    labels = []
    for others, group in groups.items():
        group.sort(key=lambda item: item[0])
        _draw_marks(axes, panel, group, joined)
        _, last, colour = group[-1]
        end = panel.spread(last, panel.discs)
        if others and end:
            labels.append((end[0], others, colour))
    axes.set_xlabel(flag)
    axes.margins(y=0.12)
    return labels


def _draw_marks(
    axes: Axes,
    panel: Panel,
    group: Sequence[tuple[float, Series, Colour]],
    joined: bool,
) -> None:
    """Draws discs and rings with their deviations, from left to right."""
    for figure, style in ((panel.discs, "-"), (panel.rings, ":")):
        marks = [
            (place, *spread, colour)
            for place, one, colour in group
            if (spread := panel.spread(one, figure))
        ]
        if joined and len(marks) > 1:
            axes.plot(
                [mark[0] for mark in marks], [mark[1] for mark in marks],
                color=canvas.GREY, alpha=0.6, linewidth=1, linestyle=style,
            )  # fmt: skip
        for place, mean, deviation, colour in marks:
            axes.errorbar(
                place, mean, deviation or None,
                fmt="o", markersize=7, capsize=4, linewidth=1.6, zorder=3,
                color=colour,
                markerfacecolor=colour if style == "-" else "white",
            )  # fmt: skip


def _draw_rounds(axes: Axes, coloured: Coloured) -> list[Label]:
    """Draws the kNN accuracy with the clean gallery at each round's end.

    Returns:
        The label of each combination.
    """
    labels = []
    for one, colour in coloured:
        if not one.rounds:
            continue
        spreads = [ROUNDS.spread(one, f"{ROUND}{r}") for r in one.rounds]
        mean, deviation = np.array(spreads).T
        draw_line(axes, one.rounds, mean, colour)
        axes.fill_between(
            one.rounds, mean - deviation, mean + deviation,
            color=colour, alpha=0.18, linewidth=0,
        )  # fmt: skip
        labels.append((mean[-1], one.name, colour))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("round")
    return labels


def _places(
    axes: Axes, combinations: Sequence[Series]
) -> tuple[str, Sequence[float]]:
    """Places combinations on the x axis, by the first flag's values.

    Returns:
        The name of the flag, and the x coordinate of each combination.
    """
    if not combinations[0].values:
        axes.set_xticks([])
        return "", [0.0] * len(combinations)
    flag = next(iter(combinations[0].values))
    values = [one.values[flag] for one in combinations]
    kinds = list(dict.fromkeys(values))
    if _numeric(kinds):
        if min(kinds) > 0 and max(kinds) >= 10 * min(kinds):
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(kinds, [f"{kind:g}" for kind in kinds])
        return flag, values
    axes.set_xticks(range(len(kinds)), _short(kinds))
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    return flag, [kinds.index(value) for value in values]


def _short(kinds: Sequence[Any]) -> list[str]:
    """Shortens values that are paths to their last parts, if these differ."""
    names = [str(kind).rstrip("/").rpartition("/")[2] for kind in kinds]
    if len(set(names)) < len(names):
        return [str(kind) for kind in kinds]
    return names


def _numeric(values: Sequence[Any]) -> bool:
    """Returns whether all values are numbers; True and False are not."""
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        for value in values
    )
