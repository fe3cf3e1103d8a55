"""Draws clusters: a confusion matrix, and the prototypes of each cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from and_tf.figures import canvas
from and_tf.figures.canvas import Text
from and_tf.figures.tile_grid import Tile, TileGrid
from and_tf.figures.tiles import Images, take

MOST_CLUSTERS = 40  # The largest clusters, which are drawn with prototypes.
PROTOTYPES = 10  # The number of images of each cluster.
# The lengths of the confusion matrix, in pixels.
LEFT, RIGHT, TOP = 170, 40, 84
CELL, LEAST = 58, 420
LETTER = 9  # Pixels for a letter of a class' name, vertical below the matrix.
MOST_NAMED = 30  # With more classes, names and numbers would be illegible.
SHADES = LinearSegmentedColormap.from_list(
    "share", ["#ffffff", canvas.SKY, canvas.BLUE]
)


def confusion_array(
    confusion: np.ndarray,
    class_names: Sequence[str] | None = None,
    *,
    title: str = "",
) -> np.ndarray:
    """Draws a confusion matrix, a row per class, in percent of the class.

    Args:
        confusion: integer [classes, classes + 1]. The last column counts
            samples whose cluster is matched to no class; it is not drawn if it
            is all zeros.
        class_names: The names of the classes; None shows numbers.
        title: The title above the picture.

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
    figure = canvas.new_figure(LEFT + width + RIGHT, TOP + height + bottom)
    axes = canvas.add_axes(figure, LEFT, TOP, width, height)
    axes.imshow(shares, cmap=SHADES, vmin=0, vmax=100, aspect="auto")
    _dress(axes, names, columns, named)
    if named:
        _write_shares(axes, shares)
    canvas.write_title(figure, 24, title)
    return canvas.pixels(figure)


def _dress(
    axes: Axes, rows: list[str], columns: list[str], named: bool
) -> None:
    """Removes the frame, and writes the classes' names beside and below."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=10, labelcolor=canvas.INK)
    for set_ticks, names, turn in (
        (axes.set_yticks, rows, 0),
        (axes.set_xticks, columns, 90),
    ):
        places = range(len(names)) if named else []
        labels = [_short(names[i]) for i in places]
        set_ticks(list(places), labels, rotation=turn, parse_math=False)
    for set_label, text in (
        (axes.set_ylabel, "class"),
        (axes.set_xlabel, "class that its cluster is matched to"),
    ):
        set_label(text, size=11, color=canvas.INK)


def _write_shares(axes: Axes, shares: np.ndarray) -> None:
    """Writes shares as whole percents, and leaves out those that round to 0."""
    for row, column in np.argwhere(np.rint(shares) >= 1):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{share:.0f}",
            size=10,
            color="white" if share > 60 else canvas.INK,
            horizontalalignment="center",
            verticalalignment="center",
        )


def _short(name: str, most: int = 16) -> str:
    """Shortens a name to at most `most` letters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def prototypes_array(
    images: Images,
    probabilities: np.ndarray,
    *,
    matching: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> np.ndarray:
    """Draws the most confident images of each cluster, the prototype first.

    Args:
        images: uint8 [n, H, W, 3], or a function from sample numbers,
            int64 [m], to those images; it is called once.
        probabilities: float [n, C], the probability of each cluster.
        matching: The class of each cluster, −1 for none; None if no labels are
            known.
        class_names: The names of the classes; None shows numbers.
        title: The title above the picture.

    Returns:
        uint8 [height, width, 3].
    """
    assigned = probabilities.argmax(1)
    sizes = np.bincount(assigned, minlength=probabilities.shape[1])
    largest = np.argsort(-sizes, kind="stable")[:MOST_CLUSTERS]
    clusters = [cluster for cluster in sorted(largest) if sizes[cluster]]
    surest = np.argsort(-probabilities.max(1), kind="stable")
    members = [
        surest[assigned[surest] == cluster][:PROTOTYPES] for cluster in clusters
    ]
    pictures = iter(take(images, np.concatenate(members)))
    rows = [[Tile(next(pictures)) for _ in numbers] for numbers in members]
    names = [
        (
            Text(_name(cluster, matching, class_names), 11),
            Text(f"{sizes[cluster]:,} images", 9, canvas.GREY),
        )
        for cluster in clusters
    ]
    return TileGrid(rows, side=72, title=title, names=names).draw()


def _name(
    cluster: int,
    matching: Sequence[int] | None,
    class_names: Sequence[str] | None,
) -> str:
    """Returns a cluster's number, with the class that it is matched to."""
    if matching is None:
        return f"cluster {cluster}"
    label = matching[cluster]
    if label < 0:
        return f"{cluster} → no class"
    return f"{cluster} → {class_names[label] if class_names else label}"
