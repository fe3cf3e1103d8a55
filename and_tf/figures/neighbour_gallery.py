"""Draws images beside their neighbours, from a round or from a search."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from and_tf.figures import canvas
from and_tf.figures.canvas import Text
from and_tf.figures.tile_grid import SMALL, Tile, TileGrid
from and_tf.figures.tiles import Images, class_name, take, verdict
from and_tf.utils.averages import percent

if TYPE_CHECKING:
    from and_tf.method.discovery import Neighbourhoods

ROWS, COLUMNS = 6, 10  # The tiles of a gallery, less than 1,200 pixels wide.
FOUND_COLUMNS = 5  # The columns of neighbours in the picture of a search.
MOST = 50  # The number of neighbours in the picture of a search.


def gallery_array(
    images: Images,
    neighbourhoods: Neighbourhoods,
    *,
    labels: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
) -> np.ndarray:
    """Draws anchors, each beside the neighbours discovered for it.

    The anchors drawn are spread evenly over the anchors by rank of entropy,
    the lowest first, as many as fit into a picture 1,200 pixels wide. If
    labels are known, a neighbour's frame and mark are green and ✓ if it has
    its anchor's class, and red and ✗ if it has another.

    Args:
        images: uint8 [N, H, W, 3], or a function from sample numbers,
            int64 [m], to those images; it is called once.
        neighbourhoods: The neighbourhoods of one round, of the same N samples;
            round 0 is the encoder as it began, where each sample is an anchor.
        labels: int64 [N], −1 for images without a label; None if there are no
            labels.
        class_names: The names of the classes; None shows numbers.

    Returns:
        uint8 [height, width, 3].
    """
    found = neighbourhoods
    size = 1 + min(found.neighbours.shape[1], COLUMNS - 1)
    columns = COLUMNS // size * size
    anchors = spread_anchors(found, ROWS * columns // size)
    groups = np.column_stack(  # [anchors, size]
        [anchors, found.neighbours[anchors, : size - 1]]
    ).astype(np.int64)
    needed, places = np.unique(groups, return_inverse=True)
    taken = take(images, needed)
    numbers = groups.ravel().tolist()
    names = [class_name(n, labels, class_names) for n in numbers]
    tiles = []
    for i, (number, place) in enumerate(zip(numbers, places.ravel().tolist())):
        if i % size:
            colour, mark = verdict(names[i - i % size], names[i])
            lines = [mark + names[i]]
        else:
            colour = canvas.INK
            lines = [names[i], f"H {found.entropy[number]:.2f}"]
        caption = [Text(line, SMALL, colour) for line in lines]
        tiles.append(Tile(taken[place], caption, colour))
    title, reading = _describe(found, labels)
    return TileGrid(
        _rows(tiles, columns), side=96, frame=4, group=size, title=title,
        reading=[reading],
    ).draw()  # fmt: skip


def spread_anchors(found: Neighbourhoods, count: int) -> np.ndarray:
    """Chooses some anchors, evenly by the rank of their entropy.

    Args:
        found: The neighbourhoods of one round. If it has no anchors, the
            samples are chosen from all samples.
        count: The largest number of samples to choose, 1 or more.

    Returns:
        Sample numbers, int64 [count or fewer], the lowest entropy first.
    """
    candidates = np.flatnonzero(found.is_anchor)
    if not len(candidates):
        candidates = np.arange(len(found.is_anchor))
    ranked = candidates[np.argsort(found.entropy[candidates], kind="stable")]
    places = np.linspace(0, len(ranked) - 1, min(count, len(ranked)))
    return ranked[places.round().astype(int)]


def _describe(
    found: Neighbourhoods, labels: np.ndarray | None
) -> tuple[str, str]:
    """Returns a gallery's title, and a line that says how to read it."""
    title = f"Round {found.round}: {int(found.is_anchor.sum()):,} anchors"
    what = "an anchor"
    if not found.round:
        title, what = f"{len(found.entropy):,} images", "an image"
    single = found.neighbours.shape[1] == 1
    reading = f"Left {what} with its entropy H, right its nearest "
    reading += "neighbour" if single else "neighbours"
    if labels is not None:
        # Imported here, so that other pictures do not need TensorFlow.
        from and_tf.method.discovery import consistency

        agree = consistency(found.neighbours, labels)[found.is_anchor]
        if not np.isnan(agree).all():
            share = percent(float(np.nanmean(agree)))
            title += f", {share} of their neighbours share the class"
            reading += " (✓ same class, ✗ another)"
    return title, reading


def _rows(tiles: Sequence[Tile], columns: int) -> list[Sequence[Tile]]:
    """Breaks tiles into rows."""
    starts = range(0, len(tiles), columns)
    return [tiles[start : start + columns] for start in starts]


@dataclasses.dataclass(frozen=True)
class Found:
    """An image that a search found, or that it searched for.

    Attributes:
        image: uint8 [H, W, 3], or None if it is not available.
        name: A name of the image, such as the path of its file.
        class_name: The name of its class; "" if it is unknown.
        similarity: The cosine similarity to the query; None for the query.
    """

    image: np.ndarray | None
    name: str
    class_name: str = ""
    similarity: float | None = None


def retrieval_array(
    query: Found, neighbours: Sequence[Found], *, searched: int
) -> np.ndarray:
    """Draws a large query image, and its neighbours in rows to the right.

    If the query's class is known, a neighbour's frame and mark are green and ✓
    if it has the same class, and red and ✗ if it has another.

    Args:
        query: The image that was searched for.
        neighbours: The images that were found, the most similar first; the
            first `MOST` of them are drawn.
        searched: The number N of images that were searched.

    Returns:
        uint8 [height, width, 3].
    """
    tiles = []
    for rank, found in enumerate(neighbours[:MOST], start=1):
        colour, mark = verdict(query.class_name, found.class_name)
        ink, name = colour if mark else canvas.INK, mark + found.class_name
        caption = [
            Text(f"{rank}   {found.similarity:.4f}", SMALL, weight="bold"),
            Text(name, SMALL, ink),
            Text(found.name, SMALL, canvas.GREY, keep_end=True),
        ]
        tiles.append(Tile(found.image, caption, colour))
    caption = [
        Text(query.class_name, weight="bold"),
        Text(query.name, keep_end=True),
    ]
    title, reading = _describe_search(query, neighbours, searched)
    return TileGrid(
        _rows(tiles, FOUND_COLUMNS), side=128, frame=4, gap=10, title=title,
        reading=[reading], lead=Tile(query.image, caption, canvas.INK),
    ).draw()  # fmt: skip


def _describe_search(
    query: Found, neighbours: Sequence[Found], searched: int
) -> tuple[str, str]:
    """Returns a retrieval's title, and a line that says how to read it."""
    title = f"The {len(neighbours):,} nearest of {searched:,} images"
    if len(neighbours) == 1:
        title = f"The nearest of {searched:,} images"
    reading = "Left the query; right its neighbours with their rank and "
    reading += "cosine similarity"
    classes = [n.class_name for n in neighbours if n.class_name]
    if query.class_name and classes:
        same = classes.count(query.class_name)
        title += f", {same:,} of the query's class"
        reading += " (✓ same class, ✗ another)"
    if len(neighbours) > MOST:
        reading += f"; the first {MOST} are shown"
    return title, reading
