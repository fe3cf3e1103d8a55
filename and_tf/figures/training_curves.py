"""The curves of a run over its epochs, its rounds as bands behind them."""

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

WIDTH = 1200  # Pixels, as all lengths here.
LEFT, RIGHT, TOP, BOTTOM = 92, 226, 96, 58
GAP = 26  # Between panels.


@dataclasses.dataclass(frozen=True)
class Panel:
    """Curves over the epochs that share one axis.

    Attributes:
        unit: Of the axis.
        height: In pixels.
        curves: By key of the history the curve's name and colour.
        ending: Formats a curve's last value, and the history's last `row`.
        scale: What values are multiplied by.
        from_zero: Whether the axis begins at 0.
        compared: Whether baselines are drawn.
        steps: Whether a value holds for the epoch before its point. The axis
            is logarithmic if the values differ much.
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
        """Returns whether there is anything to draw."""
        return any(len(series(history, key)[0]) for key in self.curves)

    def draw(
        self, axes: Axes, history: History, baselines: Mapping[str, float]
    ) -> None:
        """Draws the curves that have values, named where they end."""
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
            text = f"{name} {100 * value:.1f} %"
            labels.append(draw_baseline(axes, 100 * value, text))
        if self.from_zero:
            axes.set_ylim(bottom=0)
        name_ends(axes, labels)


class AnchorsPanel(Panel):
    """Each round's anchors, parted by their neighbours' consistency."""

    def has_data(self, history: History) -> bool:
        """Returns whether a round has anchors."""
        return any(row.get("anchors") for row in history)

    def draw(
        self, axes: Axes, history: History, baselines: Mapping[str, float]
    ) -> None:
        """Draws a bar a round, with count and share where it is wide."""
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
                texts[0] += f", {100 * share:.1f} % ✓"
                texts.append(f"{100 * share:.0f} %")
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
        "loss", 190,
        {
            "loss": ("", canvas.INK),
            "validation_loss": ("evaluation split", canvas.BLUE),
        },
        "{:.3f}", scale=1,
    ),
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

    A panel whose keys the history lacks is left out.

    Args:
        history: A dict an epoch with `epoch` (from 0) and any of `round`,
            `knn_clean`, `knn_bank`, `loss`, `anchors`, `consistency` and
            `learning_rate`; of a clustering `acc`, `validation_loss`,
            `largest_cluster`, `clusters_used` and `confident`. Accuracies,
            consistency, the largest cluster and what is confident are
            fractions.
        baselines: Accuracies by name, drawn as horizontal lines.
        title: Stands above everything.
        rounds: R, to name the rounds "round 1/4"; 0 names them "round 1".

    Returns:
        uint8 [height, 1200, 3].

    Raises:
        ValueError: The history holds nothing to draw.
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
    for axes in figure.axes[:-1]:  # The lowest alone has numbers.
        axes.tick_params(labelbottom=False)
    figure.axes[-1].set_xlabel("epoch")
    name_rounds(figure.axes[0], spans, rounds)
    canvas.write_title(figure, LEFT, title)
    return canvas.pixels(figure)
