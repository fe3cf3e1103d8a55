"""What each panel of a run's curves shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from and_tf.figures import canvas
from and_tf.figures.axes_style import name_ends
from and_tf.figures.canvas import Colour
from and_tf.figures.round_bands import History, Span

FEW = 40  # Points, up to which each gets a mark; one alone has no line.
KNN = {  # By key of the history: name, colour.
    "knn_clean": ("clean gallery", canvas.BLUE),
    "knn_bank": ("memory bank", canvas.ORANGE),
}
ACC = {  # Likewise, of a clustering.
    "acc": ("SCAN", canvas.BLUE),
}


def series(history: History, key: str) -> tuple[np.ndarray, np.ndarray]:
    """The epochs that have a finite `key`, counted from 1, and its values.

    Returns:
        Two float64 arrays [m].
    """
    points = [
        (row["epoch"] + 1, row[key])
        for row in history
        if row.get(key) is not None and np.isfinite(row[key])
    ]
    epochs, values = np.array(points, np.float64).reshape(-1, 2).T
    return epochs, values


def draw_knn(
    axes: Axes, history: History, baselines: Mapping[str, float]
) -> None:
    """Draws accuracies in percent, and horizontal lines to hold them to."""
    labels = []
    for key, (name, colour) in (KNN | ACC).items():
        epochs, values = series(history, key)
        if len(epochs):
            _draw_line(axes, epochs, 100 * values, colour)
            last = 100 * values[-1]
            labels.append((last, f"{name} {last:.1f} %", colour))
    for name, value in baselines.items():
        percent = 100 * value
        axes.axhline(
            percent,
            color=canvas.css(canvas.GREY),
            linestyle=(0, (4, 3)),
            linewidth=1.2,
        )
        labels.append((percent, f"{name} {percent:.1f} %", canvas.GREY))
    name_ends(axes, labels)


def draw_loss(axes: Axes, history: History) -> None:
    """Draws the mean loss of every epoch, and that of other images."""
    labels = []
    for key, name, colour in (
        ("loss", "", canvas.INK),
        ("validation_loss", "evaluation split ", canvas.BLUE),
    ):
        epochs, values = series(history, key)
        if len(epochs):
            _draw_line(axes, epochs, values, colour)
            labels.append((values[-1], f"{name}{values[-1]:.3f}", colour))
    name_ends(axes, labels)


def draw_confident(axes: Axes, history: History) -> None:
    """Draws the share of images whose answers are learnt from."""
    epochs, values = series(history, "confident")
    _draw_line(axes, epochs, 100 * values, canvas.ORANGE)
    axes.set_ylim(bottom=0)
    last = 100 * values[-1]
    name_ends(axes, [(last, f"{last:.1f} %", canvas.ORANGE)])


def draw_clusters(axes: Axes, history: History) -> None:
    """Draws the share of the images that the largest cluster has."""
    epochs, values = series(history, "largest_cluster")
    _draw_line(axes, epochs, 100 * values, canvas.PURPLE)
    used = history[-1]["clusters_used"]
    last = 100 * values[-1]
    text = f"{last:.1f} %, {used} clusters used"
    axes.set_ylim(bottom=0)
    name_ends(axes, [(last, text, canvas.PURPLE)])


def draw_rate(axes: Axes, history: History) -> None:
    """Draws the learning rate, which holds for the epoch before its point."""
    epochs, values = series(history, "learning_rate")
    if values.min() > 0 and values.max() > 5 * values.min():
        axes.set_yscale("log", subs=[2, 5])
        axes.yaxis.set_major_formatter("{x:g}")
    # The first epoch's holds from its begin.
    epochs = np.append(epochs[0] - 1, epochs)
    values = np.append(values[0], values)
    _draw_line(axes, epochs, values, canvas.PURPLE, few=0, steps="steps-pre")
    name_ends(axes, [(values[-1], f"{values[-1]:.2g}", canvas.PURPLE)])


def draw_anchors(axes: Axes, spans: Sequence[Span]) -> None:
    """Draws each round's anchors, parted by their neighbours' consistency."""
    names = []
    for span in spans:
        anchors = span.first("anchors") or 0
        share = span.first("consistency")
        if not anchors:
            continue
        if share is None:
            _draw_bar(axes, span, 0, anchors, canvas.SKY)
        else:
            agree = share * anchors
            _draw_bar(axes, span, 0, agree, canvas.GREEN)
            _draw_bar(axes, span, agree, anchors, canvas.VERMILION)
            names = [
                (agree / 2, "✓ neighbours of its class", canvas.GREEN),
                ((agree + anchors) / 2, "✗ of another", canvas.VERMILION),
            ]
        _name_bar(axes, span, anchors, share)
    axes.margins(y=0.2)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    name_ends(axes, names)


def _draw_bar(
    axes: Axes, span: Span, bottom: float, top: float, colour: Colour
) -> None:
    axes.bar(
        (span.begin + span.end) / 2,
        top - bottom,
        width=0.96 * (span.end - span.begin),
        bottom=bottom,
        color=canvas.css(colour),
    )


def _name_bar(
    axes: Axes, span: Span, anchors: float, share: float | None
) -> None:
    """Writes count and share above a round's bar, as far as it is wide."""
    texts = [f"{anchors:,.0f}"]
    if share is not None:
        percent = 100 * share
        texts = [f"{anchors:,.0f}, {percent:.1f} % ✓", f"{percent:.0f} %"]
    axes.text(
        (span.begin + span.end) / 2,
        anchors,
        span.fitting(axes, texts),
        size=10,
        color=canvas.css(canvas.INK),
        horizontalalignment="center",
        verticalalignment="bottom",
    )


def _draw_line(
    axes: Axes,
    epochs: np.ndarray,
    values: np.ndarray,
    colour: Colour,
    few: int = FEW,
    steps: str = "default",
) -> None:
    """Draws one curve, its points marked where they are few."""
    axes.plot(
        epochs,
        values,
        color=canvas.css(colour),
        linewidth=1.8,
        drawstyle=steps,
        marker="o" if len(epochs) <= few else "",
        markersize=4,
        clip_on=False,
        zorder=3,
    )
