"""A confusion matrix: classes by the classes that clusters are matched to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from and_tf.figures import canvas

LEFT, RIGHT, TOP = 170, 40, 84  # Pixels, as all lengths here.
CELL, LEAST = 58, 420
LETTER = 9  # Of a class' name, which is turned below the matrix.
MOST_NAMED = 30  # Classes; of more, neither names nor numbers can be read.
SHADES = LinearSegmentedColormap.from_list(
    "share", ["#ffffff", canvas.css(canvas.SKY), canvas.css(canvas.BLUE)]
)


def confusion_array(
    confusion: np.ndarray,
    class_names: Sequence[str] | None = None,
    *,
    title: str = "",
) -> np.ndarray:
    """Draws a row a class; numbers are percent of the class.

    Args:
        confusion: integer [classes, classes + 1], the last column of samples
            whose cluster is matched to no class; it is left out if empty.
        class_names: Of the classes, or None.
        title: Stands above everything.

    Returns:
        uint8 [height, width, 3].
    """
    classes = len(confusion)
    names = list(class_names or map(str, range(classes)))
    columns = names + ["no class"]
    if not confusion[:, -1].any():
        confusion, columns = confusion[:, :-1], names
    shares = 100 * confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    named = classes <= MOST_NAMED
    height = max(CELL * classes, LEAST) if named else 2 * LEAST
    width = round(height * shares.shape[1] / classes)
    longest = max(len(_short(name)) for name in columns) if named else 0
    bottom = 56 + LETTER * longest
    total = LEFT + width + RIGHT, TOP + height + bottom
    figure = canvas.new_figure(*total)
    axes = figure.add_axes(
        (LEFT / total[0], bottom / total[1], width / total[0],
         height / total[1])
    )  # fmt: skip
    axes.imshow(shares, cmap=SHADES, vmin=0, vmax=100, aspect="auto")
    _dress(axes, names, columns, named)
    if named:
        _write_shares(axes, shares)
    canvas.write(
        figure, 24, 44, title, size=15, weight="bold", room=total[0] - 48
    )
    return canvas.pixels(figure)


def _dress(
    axes: Axes, rows: list[str], columns: list[str], named: bool
) -> None:
    """Names classes beside and below, without a frame."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=10, labelcolor=canvas.css(canvas.INK))
    for set_ticks, names, turn in (
        (axes.set_yticks, rows, 0),
        (axes.set_xticks, columns, 90),
    ):
        places = range(len(names)) if named else []
        labels = [_short(names[i]) for i in places]
        set_ticks(list(places), labels, rotation=turn, parse_math=False)
    ink = canvas.css(canvas.INK)
    axes.set_ylabel("class", size=11, color=ink)
    axes.set_xlabel("class that its cluster is matched to", size=11, color=ink)


def _write_shares(axes: Axes, shares: np.ndarray) -> None:
    """Writes whole percents, those of less than one left out."""
    for row, column in np.argwhere(np.rint(shares) >= 1):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{share:.0f}",
            size=10,
            color="white" if share > 60 else canvas.css(canvas.INK),
            horizontalalignment="center",
            verticalalignment="center",
        )


def _short(name: str, most: int = 16) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
