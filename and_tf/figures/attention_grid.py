"""Draws heat maps over images: a row per image, a column per checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from PIL import Image

from and_tf.figures import canvas
from and_tf.figures.canvas import Text
from and_tf.figures.tile_grid import SMALL, Scale, Tile, TileGrid

SIDE = 152  # The side of an image, in pixels.
COLOURS = colormaps["inferno"]
# The opacity of the colour over the image, at the least and at the most heat.
OPACITY = (0.45, 0.6)


@dataclasses.dataclass(frozen=True)
class Column:
    """The maps of one checkpoint, a column of the picture.

    Attributes:
        head: The heading of the column, such as the name of the checkpoint.
        note: A second line below the heading, in small letters.
        maps: float32 [m, h, w], 0 and above, one map for each image.
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
    """Draws a row per image: the image, and the image under each of its maps.

    The colours of each map are scaled to its own maximum. So rounds are
    compared by where they look, not by the strength of their maps.

    Args:
        images: uint8 [m, S, S, 3].
        names: m texts, one under each image.
        columns: The columns of maps, from left to right.
        title: The title above the picture.
        reading: Lines below the title that say how to read the picture.

    Returns:
        uint8 [height, width, 3].
    """
    rows = []
    for row, (image, name) in enumerate(zip(images, names, strict=True)):
        large = enlarged(image)
        maps = (overlaid(large, column.maps[row]) for column in columns)
        captions = (column.captions[row] for column in columns)
        rows.append([Tile(large, [Text(name, SMALL)])])
        rows[-1] += [Tile(m, [Text(c, SMALL)]) for m, c in zip(maps, captions)]
    headings = [
        (Text(head, 11, weight="bold"), Text(note, SMALL, canvas.GREY))
        for head, note in (("image", ""), *((c.head, c.note) for c in columns))
    ]
    strip = 255 * COLOURS(np.linspace(0, 1, 120))[:, :3]
    scale = Scale(strip.round().astype(np.uint8), "0", "a map's most")
    return TileGrid(
        rows, side=SIDE, gap=8, title=title, reading=reading,
        headings=headings, scale=scale,
    ).draw()  # fmt: skip


def enlarged(image: np.ndarray) -> np.ndarray:
    """Scales an image to the size of a tile, bicubic.

    Args:
        image: uint8 [S, S, 3].

    Returns:
        uint8 [SIDE, SIDE, 3].
    """
    size = (SIDE, SIDE)
    return np.asarray(
        Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    )


def overlaid(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Blends the colours of a map over an image.

    Args:
        image: uint8 [SIDE, SIDE, 3].
        heat: float32 [h, w], 0 and above; its maximum gets the last colour.

    Returns:
        uint8 [SIDE, SIDE, 3].
    """
    heat = heat / max(float(heat.max()), np.finfo(np.float32).tiny)
    smooth = Image.fromarray(heat.astype(np.float32)).resize(
        (SIDE, SIDE), Image.Resampling.BILINEAR
    )
    heat = np.asarray(smooth)[..., np.newaxis]  # [SIDE, SIDE, 1]
    colours = 255 * COLOURS(heat[..., 0])[..., :3]
    least, most = OPACITY
    opacity = least + (most - least) * heat
    return ((1 - opacity) * image + opacity * colours).round().astype(np.uint8)
