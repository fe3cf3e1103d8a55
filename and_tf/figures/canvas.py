"""A figure measured in pixels, its colours, and the way to a PNG file."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import warnings
from collections.abc import Iterator

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import IdentityTransform
from PIL import Image

from and_tf.utils import atomic_files

DPI = 100

Colour = tuple[int, int, int]

# Okabe and Ito's palette, told apart with any kind of colour vision.
BLUE = (0, 114, 178)
SKY = (86, 180, 233)
ORANGE = (230, 159, 0)
GREEN = (0, 158, 115)
VERMILION = (213, 94, 0)
PURPLE = (204, 121, 167)
GREY = (118, 118, 118)
INK = (38, 38, 38)


def css(colour: Colour) -> str:
    """The colour as Matplotlib reads it: (0, 114, 178) is "#0072b2"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def new_figure(width: int, height: int) -> Figure:
    """An empty white figure of `width` x `height` pixels.

    It belongs to no window and to no global state of Matplotlib.
    """
    # Half a pixel more, for what Matplotlib draws is the size rounded down.
    inches = (width + 0.5) / DPI, (height + 0.5) / DPI
    figure = Figure(figsize=inches, dpi=DPI)
    figure.set_facecolor("white")
    FigureCanvasAgg(figure)
    return figure


def write(
    figure: Figure,
    left: int,
    baseline: int,
    text: str,
    *,
    size: float,
    colour: Colour = INK,
    weight: str = "normal",
    room: int = 0,
    keep_end: bool = False,
) -> None:
    """Writes a line.

    Args:
        figure: Where to.
        left: Pixels from the left.
        baseline: Pixels from the top.
        text: Plain; a class may well be called "$".
        size: In points.
        colour: Of the letters.
        weight: "normal" or "bold".
        room: Pixels that the text is shortened to; 0 leaves it as it is.
        keep_end: Whether its beginning is what goes, as of a path, and not
            its end.
    """
    line = figure.text(
        left,
        int(figure.bbox.height) - baseline,
        text,
        transform=IdentityTransform(),
        size=size,
        weight=weight,
        color=css(colour),
        parse_math=False,
    )
    with _any_script():
        while room and line.get_window_extent().width > room:
            text = text[1:] if keep_end else text[:-1]
            line.set_text(f"…{text}" if keep_end else f"{text}…")


def pixels(figure: Figure) -> np.ndarray:
    """Draws the figure: uint8 [height, width, 3]."""
    with _any_script():
        figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())[..., :3]


@contextlib.contextmanager
def _any_script() -> Iterator[None]:
    """Lets a class have a name in letters that the font lacks.

    They are drawn as boxes, which says it better than a warning for each.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def encode_png(image: np.ndarray) -> bytes:
    """The bytes of a PNG file that holds `image`, uint8 [H, W, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    return buffer.getvalue()


def save_png(image: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Writes `image`, uint8 [H, W, 3], making the folder it goes into."""
    content = encode_png(image)
    atomic_files.write(pathlib.Path(path), lambda file: file.write(content))
