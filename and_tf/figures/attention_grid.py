"""Heat maps over images: a row an image, a column a moment of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image

from and_tf.figures import canvas

# All lengths are pixels.
MARGIN = 24
HEADER = 146
TILE = 152
GAP = 8
CAPTION = 26  # A line of text and some air under a tile.
LEAST_WIDTH = 820  # For the title.
SCALE = (120, 10)  # Width and height of the colour scale.
SMALL = 8.5  # Font size in points.
COLOURS = colormaps["inferno"]
# Of the colour over the image, at the least heat and at the most.
OPACITY = (0.45, 0.6)


@dataclasses.dataclass(frozen=True)
class Column:
    """The maps of one moment.

    Attributes:
        head: Its name.
        note: More of it, small.
        maps: float32 [m, h, w], 0 and above, a map an image.
        captions: m texts, one under each map.
    """

    head: str
    note: str
    maps: np.ndarray
    captions: Sequence[str]


def attention_array(
    images: np.ndarray,
    names: Sequence[str],
    columns: Sequence[Column],
    *,
    title: str = "",
    reading: Sequence[str] = (),
) -> np.ndarray:
    """Draws images, and beside each its maps, laid over it.

    The colours of a map run up to its own maximum, so that rounds are
    compared by where they look, not by how much.

    Args:
        images: uint8 [m, S, S, 3].
        names: m texts, one under each image.
        columns: From left to right.
        title: Stands above everything.
        reading: How to read it, two lines at most, below the title.

    Returns:
        uint8 [height, width, 3].
    """
    width = MARGIN + (1 + len(columns)) * (TILE + GAP) - GAP + MARGIN
    height = HEADER + len(images) * (TILE + CAPTION) + GAP
    paper = np.full((height, max(width, LEAST_WIDTH), 3), 255, np.uint8)
    for row, image in enumerate(images):
        large = enlarged(image)
        _paste(paper, large, row, 0)
        for place, column in enumerate(columns, start=1):
            _paste(paper, overlaid(large, column.maps[row]), row, place)
    _paste_scale(paper)
    figure = canvas.new_figure(paper.shape[1], paper.shape[0])
    figure.figimage(paper)
    _head(figure, columns, title, reading)
    for row, name in enumerate(names):
        captions = [name, *(column.captions[row] for column in columns)]
        for place, text in enumerate(captions):
            left, top = _corner(row, place)
            canvas.write(
                figure, left, top + TILE + 14, text, size=SMALL, room=TILE
            )
    return canvas.pixels(figure)


def enlarged(image: np.ndarray) -> np.ndarray:
    """An image at the size of a tile, bicubic: uint8 [TILE, TILE, 3].

    Args:
        image: uint8 [S, S, 3].
    """
    size = (TILE, TILE)
    return np.asarray(
        Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    )


def overlaid(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A map's colours over an image.

    Args:
        image: uint8 [TILE, TILE, 3].
        heat: float32 [h, w], 0 and above; its maximum has the last colour.

    Returns:
        uint8 [TILE, TILE, 3].
    """
    heat = heat / max(float(heat.max()), np.finfo(np.float32).tiny)
    smooth = Image.fromarray(heat.astype(np.float32)).resize(
        (TILE, TILE), Image.Resampling.BILINEAR
    )
    heat = np.asarray(smooth)[..., np.newaxis]  # [TILE, TILE, 1]
    colours = 255 * COLOURS(heat[..., 0])[..., :3]
    least, most = OPACITY
    opacity = least + (most - least) * heat
    return ((1 - opacity) * image + opacity * colours).round().astype(np.uint8)


def _corner(row: int, place: int) -> tuple[int, int]:
    """Left and top of a tile; place 0 is the image's own."""
    return MARGIN + place * (TILE + GAP), HEADER + row * (TILE + CAPTION)


def _paste(paper: np.ndarray, tile: np.ndarray, row: int, place: int) -> None:
    left, top = _corner(row, place)
    paper[top : top + TILE, left : left + TILE] = tile


def _paste_scale(paper: np.ndarray) -> None:
    """The colours from least to most, at the right above the columns."""
    width, height = SCALE
    right = paper.shape[1] - MARGIN
    strip = 255 * COLOURS(np.linspace(0, 1, width))[:, :3]
    paper[34 : 34 + height, right - width : right] = strip.round()


def _head(
    figure: Figure,
    columns: Sequence[Column],
    title: str,
    reading: Sequence[str],
) -> None:
    """Writes the title, how to read the picture, and what the columns are."""
    width = int(figure.bbox.width)
    room = width - 2 * MARGIN
    canvas.write(
        figure, MARGIN, 44, title, size=15, weight="bold",
        room=room - SCALE[0] - 120,
    )  # fmt: skip
    for line, text in enumerate(reading):
        canvas.write(figure, MARGIN, 68 + 18 * line, text, size=10, room=room)
    scale = width - MARGIN - SCALE[0]
    canvas.write(figure, scale - 10, 43, "0", size=SMALL)
    canvas.write(figure, scale + SCALE[0] - 66, 28, "a map's most", size=SMALL)
    for place, (head, note) in enumerate(
        [("image", ""), *((column.head, column.note) for column in columns)]
    ):
        left, _ = _corner(0, place)
        canvas.write(
            figure, left, HEADER - 24, head, size=11, weight="bold", room=TILE
        )
        canvas.write(
            figure, left, HEADER - 8, note, size=SMALL, colour=canvas.GREY,
            room=TILE,
        )  # fmt: skip
