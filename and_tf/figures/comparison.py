"""Combinations of a sweep beside one another, with their spread over seeds."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from and_tf.figures import canvas
from and_tf.figures.axes_style import dress, name_ends
from and_tf.figures.canvas import Colour

WIDTH = 1200  # Pixels, as all lengths here.
LEFT, RIGHT, TOP, BOTTOM = 92, 290, 88, 58
HEIGHT, GAP = 280, 96
MOST_LABELS = 14  # That fit beside a panel; the table has them all.
COLOURS = (
    canvas.BLUE, canvas.ORANGE, canvas.GREEN, canvas.VERMILION, canvas.PURPLE,
    canvas.SKY, canvas.INK,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Panel:
    """What is drawn over the first varied flag.

    Attributes:
        head: Says above it what its marks are.
        unit: Of its axis.
        discs: The figure that is drawn as discs,
        rings: and as rings.
        scale: What figures are multiplied by.
    """

    head: str
    unit: str
    discs: str
    rings: str = ""
    scale: float = 100.0

    def spread(self, one: Series, figure: str) -> tuple[float, float] | None:
        """Mean and standard deviation; 0 for that of one value."""
        values = [x for x in one.figures.get(figure, ()) if x is not None]
        if not values:
            return None
        deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
        scaled = self.scale * np.array([np.mean(values), deviation])
        return float(scaled[0]), float(scaled[1])


ROUND = "round_"  # Before a round's number.
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


@dataclasses.dataclass(frozen=True)
class Series:
    """One combination.

    Attributes:
        values: Of the varied flags, by name.
        figures: [n] each, a value a seed, by the names of
            `sweeping.measures.figures_of`.
    """

    values: Mapping[str, Any]
    figures: Mapping[str, Sequence[float]]

    @property
    def rounds(self) -> list[int]:
        """Those that there is a figure of, ascending."""
        return sorted(
            int(name.removeprefix(ROUND))
            for name in self.figures
            if name.startswith(ROUND)
        )

    @property
    def name(self) -> str:
        """Its values, without their names where there are several."""
        if len(self.values) > 1:
            return ", ".join(map(str, self.values.values()))
        return "".join(f"{n}={v}" for n, v in self.values.items())


def compare(
    series: Sequence[Series], path: str | os.PathLike[str], title: str = ""
) -> bool:
    """Draws figures over the first varied flag, and over the rounds.

    Means as points, standard deviations of a sample as bars and bands. A
    combination has one colour throughout.

    Args:
        series: All combinations, each with the same flags.
        path: The PNG file, 1,200 pixels wide.
        title: Stands above everything.

    Returns:
        Whether there was anything to draw.
    """
    coloured = _coloured(series)
    panels = [
        p for p in PANELS if any(s.figures.get(p.discs) for s, _ in coloured)
    ]
    if not panels:
        return False
    if any(len(s.rounds) > 1 for s, _ in coloured):
        panels.append(ROUNDS)
    height = TOP + len(panels) * (HEIGHT + GAP) - GAP + BOTTOM
    figure = canvas.new_figure(WIDTH, height)
    for place, panel in enumerate(panels):
        bottom = height - TOP - HEIGHT - place * (HEIGHT + GAP)
        width = (WIDTH - LEFT - RIGHT) / WIDTH
        axes = figure.add_axes(
            (LEFT / WIDTH, bottom / height, width, HEIGHT / height)
        )
        _dress(axes, panel.unit)
        if panel is ROUNDS:
            _draw_rounds(axes, coloured)
        else:
            _draw_values(axes, panel, coloured)
    canvas.write(
        figure, LEFT, 40, title, size=15, weight="bold", room=WIDTH - 2 * LEFT
    )
    canvas.save_png(canvas.pixels(figure), path)
    return True


def _coloured(series: Sequence[Series]) -> list[tuple[Series, Colour]]:
    if len(series) <= len(COLOURS):
        return list(zip(series, COLOURS))
    shades = colormaps["viridis"](np.linspace(0, 0.9, len(series)))[:, :3]
    whole = (255 * shades).astype(int).tolist()
    return [(s, tuple(shade)) for s, shade in zip(series, whole, strict=True)]


def _draw_values(
    axes: Axes, panel: Panel, coloured: Sequence[tuple[Series, Colour]]
) -> None:
    """One figure as discs, another as rings, over a flag."""
    _head(axes, panel.head)
    kept = [item for item in coloured if panel.spread(item[0], panel.discs)]
    flag, places = _places(axes, [s for s, _ in kept])
    if _numeric([s.values.get(flag) for s, _ in kept]):
        _join(axes, panel, kept, places)
    # What differs in this flag alone is one series, in one colour.
    colour_of = {}
    for one, colour in kept:
        colour_of.setdefault(_rest(one) or one.name, colour)
    kept = [(one, colour_of[_rest(one) or one.name]) for one, _ in kept]
    for (one, colour), place in zip(kept, places, strict=True):
        for figure, face in (
            (panel.discs, canvas.css(colour)),
            (panel.rings, "white"),
        ):
            spread = panel.spread(one, figure)
            if spread:
                mean, deviation = spread
                axes.errorbar(
                    place, mean, deviation or None,
                    fmt="o", markersize=7, capsize=4, linewidth=1.6, zorder=3,
                    color=canvas.css(colour), markerfacecolor=face,
                )  # fmt: skip
    axes.set_xlabel(flag, size=11, color=canvas.css(canvas.INK))
    axes.margins(y=0.12)
    labels = [
        (panel.spread(s, panel.discs)[0], _rest(s), colour)
        for s, colour in _ends(kept, places)
        if _rest(s)
    ]
    name_ends(axes, labels[:MOST_LABELS])


def _draw_rounds(axes: Axes, coloured: Sequence[tuple[Series, Colour]]) -> None:
    """Each round's end with the clean gallery."""
    flags = ", ".join(coloured[0][0].values)
    named = f" (of {flags})" if len(coloured[0][0].values) > 1 else ""
    _head(axes, f"{ROUNDS.head}{named}")
    labels = []
    for one, colour in coloured:
        rounds = one.rounds
        if not rounds:
            continue
        mean, deviation = np.array(
            [ROUNDS.spread(one, f"{ROUND}{r}") for r in rounds]
        ).T
        axes.plot(
            rounds, mean, "o-",
            color=canvas.css(colour), linewidth=1.8, markersize=4, zorder=3,
        )  # fmt: skip
        axes.fill_between(
            rounds, mean - deviation, mean + deviation,
            color=canvas.css(colour), alpha=0.18, linewidth=0,
        )  # fmt: skip
        labels.append((mean[-1], one.name, colour))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("round", size=11, color=canvas.css(canvas.INK))
    name_ends(axes, labels[:MOST_LABELS])


def _places(
    axes: Axes, series: Sequence[Series]
) -> tuple[str, Sequence[float]]:
    """Where on x each combination stands, after the first flag's value."""
    if not series[0].values:
        axes.set_xticks([])
        return "", [0.0] * len(series)
    flag = next(iter(series[0].values))
    values = [s.values[flag] for s in series]
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
    """Paths by their own names, where these tell them apart."""
    names = [str(kind).rstrip("/").rpartition("/")[2] for kind in kinds]
    if len(set(names)) < len(names):
        return [str(kind) for kind in kinds]
    return names


def _numeric(values: Sequence[Any]) -> bool:
    """Whether they have an order and distances; True and False have none."""
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        for value in values
    )


def _rest(one: Series) -> str:
    """The values of all flags but that on x."""
    return ", ".join(f"{n}={v}" for n, v in list(one.values.items())[1:])


def _join(
    axes: Axes,
    panel: Panel,
    kept: Sequence[tuple[Series, Colour]],
    places: Sequence[float],
) -> None:
    """Joins what differs in the flag on x alone by thin lines."""
    groups: dict[str, list[tuple[float, Series]]] = {}
    for (one, _), place in zip(kept, places, strict=True):
        groups.setdefault(_rest(one), []).append((place, one))
    for group in groups.values():
        group.sort(key=lambda item: item[0])
        for figure, style in ((panel.discs, "-"), (panel.rings, ":")):
            spreads = [(x, panel.spread(s, figure)) for x, s in group]
            points = [(x, spread[0]) for x, spread in spreads if spread]
            if len(points) > 1:
                axes.plot(
                    *zip(*points), color=canvas.css(canvas.GREY), alpha=0.6,
                    linewidth=1, linestyle=style,
                )  # fmt: skip


def _ends(
    kept: Sequence[tuple[Series, Colour]], places: Sequence[float]
) -> list[tuple[Series, Colour]]:
    """Of what is joined, the combinations farthest right."""
    farthest: dict[str, tuple[float, tuple[Series, Colour]]] = {}
    for item, place in zip(kept, places, strict=True):
        rest = _rest(item[0])
        if rest not in farthest or farthest[rest][0] <= place:
            farthest[rest] = (place, item)
    return [item for _, item in farthest.values()]


def _head(axes: Axes, text: str) -> None:
    """Says above a panel what its marks are."""
    axes.set_title(text, size=10, color=canvas.css(canvas.GREY), loc="left")


def _dress(axes: Axes, unit: str) -> None:
    dress(axes)
    axes.set_ylabel(unit, size=11, color=canvas.css(canvas.INK))
    axes.yaxis.set_label_coords(-64 / (WIDTH - LEFT - RIGHT), 0.5)
