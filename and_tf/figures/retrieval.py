"""An image beside those that a search found for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from and_tf.figures import canvas
from and_tf.figures.tiles import tile

# All lengths are pixels.
MARGIN = 24
HEADER = 80
TILE = 128
FRAME = 4
CELL = TILE + 2 * FRAME
CAPTION = 62  # Three lines of text and some air under a tile.
GAP = 10
AFTER_QUERY = 30
QUERY = 2 * CELL + CAPTION  # Side of the query's cell: as high as two rows.
COLUMNS = 5
MOST = 50  # Neighbours in a picture.
SMALL = 8.5  # Font size in points.
LINE = 15


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search found, or what it searched for.

    Attributes:
        image: uint8 [H, W, 3]; None where it is not to be had.
        name: Such as the path of its file.
        class_name: "" for none.
        similarity: Cosine to the query; None of the query itself.
    """

    image: np.ndarray | None
    name: str
    class_name: str = ""
    similarity: float | None = None


def retrieval_array(
    query: Found, neighbours: Sequence[Found], *, searched: int
) -> np.ndarray:
    """Draws the query, large, and right of it its neighbours in rows.

    Where the query's class is known, a neighbour is framed and marked: green
    and ✓ where it has the same one, red and ✗ where it has another.

    Args:
        query: What was searched for.
        neighbours: What was found, the most similar first; the first `MOST`
            are drawn.
        searched: Images that were searched, N.

    Returns:
        uint8 [height, width, 3].
    """
    shown = neighbours[:MOST]
    paper = np.full((*_size(len(shown)), 3), 255, np.uint8)
    _paste(paper, query.image, (MARGIN, HEADER), QUERY, canvas.INK)
    for place, found in enumerate(shown):
        colour, _ = _verdict(query, found)
        _paste(paper, found.image, _corner(place), CELL, colour)
    figure = canvas.new_figure(paper.shape[1], paper.shape[0])
    figure.figimage(paper)
    _head(figure, query, neighbours, searched)
    _caption_query(figure, query)
    for place, found in enumerate(shown):
        _caption(figure, place, found, _verdict(query, found))
    return canvas.pixels(figure)


def _size(neighbours: int) -> tuple[int, int]:
    """Height and width of the picture."""
    rows = max(-(-neighbours // COLUMNS), 2)
    right = COLUMNS * (CELL + GAP) - GAP
    width = MARGIN + QUERY + AFTER_QUERY + right + MARGIN
    return HEADER + rows * (CELL + CAPTION) + GAP, width


def _corner(place: int) -> tuple[int, int]:
    """Left and top of a neighbour's framed tile."""
    row, column = divmod(place, COLUMNS)
    left = MARGIN + QUERY + AFTER_QUERY + column * (CELL + GAP)
    return left, HEADER + row * (CELL + CAPTION)


def _verdict(query: Found, found: Found) -> tuple[canvas.Colour, str]:
    """Colour and mark of a neighbour."""
    if not query.class_name or not found.class_name:
        return canvas.GREY, ""
    if query.class_name == found.class_name:
        return canvas.GREEN, "✓ "
    return canvas.VERMILION, "✗ "


def _paste(
    paper: np.ndarray,
    image: np.ndarray | None,
    corner: tuple[int, int],
    side: int,
    colour: canvas.Colour,
) -> None:
    """Puts a framed tile onto the paper; an empty frame for no image."""
    left, top = corner
    cell = paper[top : top + side, left : left + side]
    cell[:] = colour
    inside = cell[FRAME:-FRAME, FRAME:-FRAME]
    inside[:] = 255 if image is None else tile(image, side - 2 * FRAME)


def _head(
    figure: Figure, query: Found, neighbours: Sequence[Found], searched: int
) -> None:
    """Writes the title and how to read the picture."""
    title = f"The {len(neighbours):,} nearest of {searched:,} images"
    if len(neighbours) == 1:
        title = f"The nearest of {searched:,} images"
    classes = [n.class_name for n in neighbours if n.class_name]
    if query.class_name and classes:
        same = classes.count(query.class_name)
        title += f", {same:,} of the query's class"
    reading = "Left the query; right its neighbours with their rank and "
    reading += "cosine similarity"
    if query.class_name and classes:
        reading += " (✓ same class, ✗ another)"
    if len(neighbours) > MOST:
        reading += f"; the first {MOST} are shown"
    canvas.write(figure, MARGIN, HEADER - 44, title, size=14, weight="bold")
    canvas.write(figure, MARGIN, HEADER - 20, reading, size=10)


def _caption_query(figure: Figure, query: Found) -> None:
    """Writes class and name under the query."""
    baseline = HEADER + QUERY + LINE + 2
    if query.class_name:
        canvas.write(
            figure, MARGIN, baseline, query.class_name, size=10,
            weight="bold", room=QUERY,
        )  # fmt: skip
        baseline += LINE + 2
    canvas.write(
        figure, MARGIN, baseline, query.name, size=10, room=QUERY,
        keep_end=True,
    )  # fmt: skip


def _caption(figure: Figure, place: int, found: Found, verdict: tuple) -> None:
    """Writes rank, similarity, class and name under a neighbour."""
    left, top = _corner(place)
    colour, mark = verdict
    baseline = top + CELL + LINE
    canvas.write(
        figure, left, baseline, f"{place + 1}", size=SMALL, weight="bold"
    )
    canvas.write(
        figure, left + 28, baseline, f"{found.similarity:.4f}", size=SMALL
    )
    if found.class_name:
        baseline += LINE
        canvas.write(
            figure, left, baseline, f"{mark}{found.class_name}", size=SMALL,
            colour=colour if mark else canvas.INK, room=CELL,
        )  # fmt: skip
    canvas.write(
        figure, left, baseline + LINE, found.name, size=SMALL,
        colour=canvas.GREY, room=CELL, keep_end=True,
    )  # fmt: skip
