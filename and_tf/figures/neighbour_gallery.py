"""Anchors beside the neighbours that a round discovered for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from and_tf.figures import canvas
from and_tf.figures.gallery_layout import (
    CELL,
    FRAME,
    HEADER,
    MARGIN,
    ROWS,
    TILE,
    Layout,
    plan,
)
from and_tf.figures.tiles import Images, take, tile

if TYPE_CHECKING:
    from and_tf.method.discovery import Neighbourhoods

ANCHOR = (canvas.INK, "")
SAME = (canvas.GREEN, "✓")
OTHER = (canvas.VERMILION, "✗")
UNKNOWN = (canvas.GREY, "")
SMALL = 8.5  # Font size in points.
LINE = 14  # Pixels.


def gallery(
    images: Images,
    neighbourhoods: Neighbourhoods,
    path: str | os.PathLike[str],
    *,
    labels: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    anchors: Sequence[int] | None = None,
    columns: int = 0,
) -> None:
    """Writes the picture that `gallery_array` draws as the PNG file `path`."""
    picture = gallery_array(
        images,
        neighbourhoods,
        labels=labels,
        class_names=class_names,
        anchors=anchors,
        columns=columns,
    )
    canvas.save_png(picture, path)


def gallery_array(
    images: Images,
    neighbourhoods: Neighbourhoods,
    *,
    labels: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    anchors: Sequence[int] | None = None,
    columns: int = 0,
) -> np.ndarray:
    """Draws anchors, each beside the neighbours discovered for it.

    Where labels are known a neighbour is framed and marked: green and ✓ where
    it has its anchor's class, red and ✗ where it has another.

    Args:
        images: uint8 [N, H, W, 3], or a function from sample numbers,
            int64 [m], to those images; it is called once.
        neighbourhoods: What the round discovered, of the same N samples.
        labels: int64 [N], −1 where unlabelled, or None.
        class_names: Names of the labels; without them numbers are shown.
        anchors: Sample numbers to show, in this order. None spreads them
            evenly over the entropies of the selected ones, lowest first.
        columns: Anchors a row; 0 takes as many as fit 1,200 pixels.

    Returns:
        uint8 [height, width, 3].

    Raises:
        ValueError: There is no anchor to show.
    """
    found = neighbourhoods
    layout = plan(found.neighbours.shape[1], columns)
    if anchors is None:
        anchors = spread_anchors(found, ROWS * layout.columns)
    if not len(anchors):
        raise ValueError("Expected an anchor or more to show. Received: none.")
    groups = np.column_stack(  # [anchors, 1 + shown]
        [anchors, found.neighbours[anchors, : layout.shown]]
    ).astype(np.int64)
    paper = np.full((*layout.size(len(groups)), 3), 255, np.uint8)
    _paste(paper, images, groups, labels, layout)
    figure = canvas.new_figure(paper.shape[1], paper.shape[0])
    figure.figimage(paper)
    _head(figure, found, labels)
    _captions(figure, groups, found.entropy, labels, class_names, layout)
    return canvas.pixels(figure)


def spread_anchors(found: Neighbourhoods, count: int) -> np.ndarray:
    """At most `count` of the selected samples, evenly by rank of entropy.

    Args:
        found: Where none is selected, all samples are drawn from.
        count: At least 1.

    Returns:
        Sample numbers, int64 [count or fewer], the lowest entropy first.
    """
    candidates = np.flatnonzero(found.selected)
    if not len(candidates):
        candidates = np.arange(len(found.selected))
    ranked = candidates[np.argsort(found.entropy[candidates], kind="stable")]
    places = np.linspace(0, len(ranked) - 1, min(count, len(ranked)))
    return ranked[places.round().astype(int)]


def _verdict(
    group: np.ndarray, place: int, labels: np.ndarray | None
) -> tuple[canvas.Colour, str]:
    """Colour and mark of one in a group, [1 + shown], the anchor first."""
    if not place:
        return ANCHOR
    if labels is None or labels[group[[0, place]]].min() < 0:
        return UNKNOWN
    return SAME if labels[group[0]] == labels[group[place]] else OTHER


def _paste(
    paper: np.ndarray,
    images: Images,
    groups: np.ndarray,
    labels: np.ndarray | None,
    layout: Layout,
) -> None:
    """Puts framed tiles of all groups, [G, 1 + shown], onto the paper."""
    needed, places = np.unique(groups, return_inverse=True)
    taken = take(images, needed)
    places = places.reshape(groups.shape)
    for group, numbers in enumerate(groups):
        for place, number in enumerate(numbers):
            left, top = layout.corner(group, place)
            cell = paper[top : top + CELL, left : left + CELL]
            cell[:], _ = _verdict(numbers, place, labels)
            cell[FRAME:-FRAME, FRAME:-FRAME] = tile(
                taken[places[group, place]], TILE
            )


def _head(
    figure: Figure, found: Neighbourhoods, labels: np.ndarray | None
) -> None:
    """Writes the title and how to read the picture."""
    title = f"Round {found.round}: {int(found.selected.sum()):,} anchors"
    single = found.neighbours.shape[1] == 1
    reading = "Left an anchor with its entropy H, right its nearest "
    reading += "neighbour" if single else "neighbours"
    if labels is not None:
        # Here, so that figures without neighbours need no TensorFlow.
        from and_tf.method.discovery import consistency

        agree = consistency(found.neighbours, labels)[found.selected]
        if not np.isnan(agree).all():
            share = 100 * np.nanmean(agree)
            title += f", {share:.1f} % of their neighbours share the class"
            reading += " (✓ same class, ✗ another)"
    canvas.write(figure, MARGIN, HEADER - 44, title, size=14, weight="bold")
    canvas.write(figure, MARGIN, HEADER - 20, reading, size=10)


def _captions(
    figure: Figure,
    groups: np.ndarray,
    entropy: np.ndarray,
    labels: np.ndarray | None,
    class_names: Sequence[str] | None,
    layout: Layout,
) -> None:
    """Writes class and entropy under the tiles of all groups."""
    for group, numbers in enumerate(groups):
        for place, number in enumerate(numbers):
            left, top = layout.corner(group, place)
            colour, mark = _verdict(numbers, place, labels)
            lines = [
                f"{mark} {class_name(number, labels, class_names)}".strip()
            ]
            if not place:
                lines.append(f"H {entropy[number]:.2f}")
            for line, text in enumerate(filter(None, lines)):
                baseline = top + CELL + LINE * (line + 1)
                canvas.write(
                    figure,
                    left,
                    baseline,
                    text,
                    size=SMALL,
                    colour=colour,
                    room=CELL,
                )


def class_name(
    number: int, labels: np.ndarray | None, class_names: Sequence[str] | None
) -> str:
    """The class of a sample, or nothing."""
    if labels is None or labels[number] < 0:
        return ""
    return class_names[labels[number]] if class_names else str(labels[number])
