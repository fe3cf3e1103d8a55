"""Draws the curves of a run over its epochs, with its rounds as bands."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour
from and_tf.figures.panels import (
    History,
    add_panel,
    draw_baseline,
    draw_line,
    draw_stack,
    name_ends,
    name_rounds,
    series,
    shade_rounds,
    spans_of,
)
from and_tf.utils.averages import percent

WIDTH = 1200  # All lengths here are in pixels.
LEFT, RIGHT, TOP, BOTTOM = 92, 226, 96, 58
GAP = 26  # The distance between panels.


@dataclasses.dataclass(frozen=True)
class Panel:
    """A panel of curves over the epochs that share one y axis.

    Attributes:
        unit: The name of the y axis.
        height: The height of the panel, in pixels.
        curves: The name and colour of each curve, by its key in the history.
        ending: A format string for the text after a curve's name. It gets the
            curve's last value, and the last row of the history as `row`.
        scale: The factor that values are multiplied by.
        from_zero: True begins the y axis at 0.
        compared: True draws the baselines too.
        steps: True draws each value over the whole epoch before its point. The
            y axis is then logarithmic if the largest value is more than 5
            times the smallest.
    """

    unit: str
    height: int
    curves: Mapping[str, tuple[str, Colour]]
    ending: str = "{:.1f} %"
    scale: float = 100.0
    from_zero: bool = False
    compared: bool = False
    steps: bool = False

    def has_data(self, history: History) -> bool:
        """Returns whether the history has values of any curve."""
        return any(len(series(history, key)[0]) for key in self.curves)

    def draw(
        self, axes: Axes, history: History, baselines: Mapping[str, float]
    ) -> None:
        """Draws the curves that have values, with their names at their ends."""
        labels = []
        for key, (name, colour) in self.curves.items():
            epochs, values = series(history, key)
            if not len(epochs):
                continue
            values = self.scale * values
            draw_line(axes, epochs, values, colour, self.steps)
            if self.steps and 0 < 5 * values.min() < values.max():
                axes.set_yscale("log", subs=[2, 5])
                axes.yaxis.set_major_formatter("{x:g}")
            ending = self.ending.format(values[-1], row=history[-1])
            labels.append((values[-1], f"{name} {ending}".strip(), colour))
        for name, value in baselines.items() if self.compared else ():
            text = f"{name} {percent(value)}"
            labels.append(draw_baseline(axes, 100 * value, text))
        if self.from_zero:
            axes.set_ylim(bottom=0)
        name_ends(axes, labels)


class AnchorsPanel(Panel):
    """A panel of each round's anchors, split by neighbour consistency."""

    def has_data(self, history: History) -> bool:
        """Returns whether any round has anchors."""
        return any(row.get("anchors") for row in history)

    def draw(
        self, axes: Axes, history: History, baselines: Mapping[str, float]
    ) -> None:
        """Draws a bar per round, with as much text as fits its width."""
        names = []
        for span in spans_of(history):
            anchors = span.first("anchors")
            share = span.first("consistency")
            if not anchors:
                continue
            parts, texts = [(anchors, canvas.SKY)], [f"{anchors:,.0f}"]
            if share is not None:
                agree, differ = share * anchors, (1 - share) * anchors
                parts = [(agree, canvas.GREEN), (differ, canvas.VERMILION)]
                texts[0] += f", {percent(share)} ✓"
                texts.append(percent(share, 0))
                middle = (agree + anchors) / 2
                names = [
                    (agree / 2, "✓ neighbours of its class", canvas.GREEN),
                    (middle, "✗ of another", canvas.VERMILION),
                ]
            width = 0.96 * (span.end - span.begin)
            text = span.fitting(axes, texts)
            draw_stack(axes, span.middle, width, parts, text)
        axes.margins(y=0.2)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        name_ends(axes, names)


PANELS = (
    Panel(
        "kNN top-1, %", 260,
        {
            "knn_clean": ("clean gallery", canvas.BLUE),
            "knn_bank": ("memory bank", canvas.ORANGE),
        },
        compared=True,
    ),
    Panel("ACC, %", 260, {"acc": ("SCAN", canvas.BLUE)}, compared=True),
    Panel(
        "held-out top-1, %", 260, {"held_out_top1": ("", canvas.BLUE)},
        compared=True,
    ),
    Panel(
        "loss", 190,
        {
            "loss": ("", canvas.INK),
            "validation_loss": ("evaluation split", canvas.BLUE),
            "held_out_loss": ("held-out images", canvas.BLUE),
            "and_loss": ("AND's own", canvas.BLUE),
            "teacher_loss": ("the teacher's", canvas.GREEN),
        },
        "{:.3f}", scale=1,
    ),
    Panel("cosine", 130, {"cosine": ("", canvas.GREEN)}, "{:.3f}", scale=1),
    Panel(
        "largest cluster, %", 130, {"largest_cluster": ("", canvas.PURPLE)},
        "{:.1f} %, {row[clusters_used]} clusters used", from_zero=True,
    ),
    Panel(
        "confident, %", 130, {"confident": ("", canvas.ORANGE)}, from_zero=True
    ),
    AnchorsPanel("anchors", 150, {}),
    Panel(
        "learning rate", 100, {"learning_rate": ("", canvas.PURPLE)},
        "{:.2g}", scale=1, steps=True,
    ),
)  # fmt: skip


def curves_array(
    history: History,
    *,
    baselines: Mapping[str, float] | None = None,
    title: str = "",
    rounds: int = 0,
) -> np.ndarray:
    """Draws kNN accuracy, loss, anchors and learning rate over the epochs.

    A panel is left out if the history has no values for it.

    Args:
        history: One dict for each epoch, with its number `epoch` (from 0) and
            any of `round`, `knn_clean`, `knn_bank`, `loss`, `cosine`,
            `anchors`, `consistency` and `learning_rate`; for a clustering also
            `acc`, `validation_loss`, `largest_cluster`, `clusters_used` and
            `confident`; for a fine-tuning `held_out_top1` and
            `held_out_loss`. Accuracies, `consistency`, `largest_cluster` and
            `confident` are fractions.
        baselines: Accuracies as fractions, by name, drawn as horizontal lines.
        title: The title above the picture.
        rounds: The number of rounds R, to name the rounds "round 1/4"; 0 names
            them "round 1".

    Returns:
        uint8 [height, 1200, 3].

    Raises:
        ValueError: If the history has no values to draw.
    """
    panels = [panel for panel in PANELS if panel.has_data(history)]
    if not panels:
        raise ValueError(
            "Expected a history of at least one epoch with a loss, a learning "
            f"rate, a kNN accuracy or anchors. Received: {list(history)!r}."
        )
    total = sum(panel.height + GAP for panel in panels) - GAP
    figure = canvas.new_figure(WIDTH, TOP + total + BOTTOM)
    top, width, spans = TOP, WIDTH - LEFT - RIGHT, spans_of(history)
    for panel in panels:
        axes = add_panel(figure, LEFT, top, width, panel.height, panel.unit)
        axes.set_xlim(spans[0].begin, spans[-1].end)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        shade_rounds(axes, spans)
        panel.draw(axes, history, baselines or {})
        top += panel.height + GAP
    for axes in figure.axes[:-1]:  # Only the lowest panel shows the epochs.
        axes.tick_params(labelbottom=False)
    figure.axes[-1].set_xlabel("epoch")
    name_rounds(figure.axes[0], spans, rounds)
    canvas.write_title(figure, LEFT, title)
    return canvas.pixels(figure)
