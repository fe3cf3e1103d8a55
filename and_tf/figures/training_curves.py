"""The curves of a run in one picture, its rounds as bands behind them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from and_tf.figures import canvas
from and_tf.figures.axes_style import dress
from and_tf.figures.curve_panels import (
    ACC,
    KNN,
    draw_anchors,
    draw_clusters,
    draw_confident,
    draw_knn,
    draw_loss,
    draw_rate,
    series,
)
from and_tf.figures.round_bands import (
    History,
    draw_bands,
    name_bands,
    spans_of,
)

WIDTH = 1200  # Pixels, as all lengths here.
LEFT, RIGHT, TOP, BOTTOM = 92, 226, 96, 58
GAP = 26  # Between panels.

Panel = tuple[str, int, Callable[[Axes], None]]  # Name, height, drawing.


def curves(
    history: History,
    path: str | os.PathLike[str],
    *,
    baselines: Mapping[str, float] | None = None,
    title: str = "",
    rounds: int = 0,
) -> None:
    """Draws kNN accuracy, loss, anchors and learning rate over the epochs.

    A panel whose keys the history lacks is left out.

    Args:
        history: A dict an epoch with `epoch` (from 0) and any of `round`,
            `knn_clean`, `knn_bank`, `loss`, `anchors`, `consistency` and
            `learning_rate`; of a clustering `acc`, `validation_loss`,
            `largest_cluster`, `clusters_used` and `confident`. Accuracies,
            consistency, the largest cluster and what is confident are
            fractions.
        path: The PNG file, 1,200 pixels wide; its folder is made where it is
            missing.
        baselines: kNN accuracies by name, drawn as horizontal lines.
        title: Stands above everything.
        rounds: R, to name the rounds "round 1/4"; 0 names them "round 1".

    Raises:
        ValueError: The history holds nothing to draw.
    """
    panels = _panels(history, baselines or {})
    if not panels:
        raise ValueError(
            "Expected a history of at least one epoch with a loss, a learning "
            f"rate, a kNN accuracy or anchors. Received: {list(history)!r}."
        )
    total = sum(height + GAP for _, height, _ in panels) - GAP
    figure = canvas.new_figure(WIDTH, TOP + total + BOTTOM)
    top = TOP
    for name, height, draw in panels:
        axes = figure.add_axes(_box(top, height, TOP + total + BOTTOM))
        top += height + GAP
        _dress(axes, name, history)
        draw_bands(axes, spans_of(history))
        draw(axes)
    name_bands(figure.axes[0], spans_of(history), rounds)
    _name_epochs(figure.axes)
    canvas.write(figure, LEFT, 44, title, size=15, weight="bold")
    canvas.save_png(canvas.pixels(figure), path)


def _panels(history: History, baselines: Mapping[str, float]) -> list[Panel]:
    """The panels that have data, from the top."""

    def has(key: str) -> bool:
        return len(series(history, key)[0]) > 0

    panels: list[Panel] = []
    if any(map(has, KNN | ACC)):
        panels.append(
            (
                "kNN top-1, %" if any(map(has, KNN)) else "ACC, %",
                260,
                lambda axes: draw_knn(axes, history, baselines),
            )
        )
    if has("loss"):
        panels.append(("loss", 190, lambda axes: draw_loss(axes, history)))
    if has("largest_cluster"):
        panels.append(
            (
                "largest cluster, %",
                130,
                lambda axes: draw_clusters(axes, history),
            )
        )
    if has("confident"):
        panels.append(
            ("confident, %", 130, lambda axes: draw_confident(axes, history))
        )
    if any(row.get("anchors") for row in history):
        panels.append(
            ("anchors", 150, lambda axes: draw_anchors(axes, spans_of(history)))
        )
    if has("learning_rate"):
        panels.append(
            ("learning rate", 100, lambda axes: draw_rate(axes, history))
        )
    return panels


def _box(top: int, height: int, total: int) -> tuple[float, ...]:
    """A panel's left, bottom, width and height in parts of the figure."""
    width = WIDTH - LEFT - RIGHT
    bottom = total - top - height
    return LEFT / WIDTH, bottom / total, width / WIDTH, height / total


def _dress(axes: Axes, name: str, history: History) -> None:
    """Gives a panel a quiet frame, its name and the epochs it spans."""
    dress(axes)
    axes.set_ylabel(name, size=11, color=canvas.css(canvas.INK))
    axes.yaxis.set_label_coords(-64 / (WIDTH - LEFT - RIGHT), 0.5)
    epochs = [row["epoch"] for row in history]
    axes.set_xlim(min(epochs), max(epochs) + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _name_epochs(panels: list[Axes]) -> None:
    """Numbers the epochs under the lowest panel alone."""
    for axes in panels:
        axes.tick_params(labelbottom=axes is panels[-1])
    panels[-1].set_xlabel("epoch", size=11, color=canvas.css(canvas.INK))
