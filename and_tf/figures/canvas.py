"""Draws text and axes on figures measured in pixels, and writes PNG files."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pathlib
import warnings
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import IdentityTransform
from PIL import Image

from and_tf.utils import atomic_files

DPI = 100

Colour = str  # In the notation of CSS and Matplotlib, such as "#0072b2".

# The palette of Okabe and Ito, which is distinct with any colour vision.
BLUE = "#0072b2"
SKY = "#56b4e9"
ORANGE = "#e69f00"
GREEN = "#009e73"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"
GREY = "#767676"
INK = "#262626"
# The colours of things that have no order, to be used from the first on.
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, INK)


def rgb(colour: Colour) -> tuple[int, int, int]:
    """Returns a colour's red, green and blue: "#0072b2" is (0, 114, 178)."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def new_figure(width: int, height: int) -> Figure:
    """Makes an empty white figure of `width` x `height` pixels.

    The figure does not belong to a window or to Matplotlib's global state.
    """
    # Half a pixel more, since Matplotlib rounds the drawn size down.
    inches = (width + 0.5) / DPI, (height + 0.5) / DPI
    figure = Figure(figsize=inches, dpi=DPI)
    figure.set_facecolor("white")
    FigureCanvasAgg(figure)
    return figure


def size_of(figure: Figure) -> tuple[int, int]:
    """Returns a figure's width and height in pixels."""
    return int(figure.bbox.width), int(figure.bbox.height)


def add_axes(
    figure: Figure, left: float, top: float, width: float, height: float
) -> Axes:
    """Adds axes; all lengths are pixels from the figure's upper left corner."""
    across, down = size_of(figure)
    bottom = down - top - height
    return figure.add_axes(
        (left / across, bottom / down, width / across, height / down)
    )


@dataclasses.dataclass(frozen=True)
class Text:
    """A line of plain text.

    Attributes:
        text: The text. It is never read as a formula, as a class may have a
            name such as "$".
        size: The size of the letters, in points.
        colour: The colour of the letters.
        weight: "normal" or "bold".
        align: The end of the line whose position is given: "left" or "right".
        keep_end: True shortens a text that is too long at its beginning, which
            suits paths. False shortens it at its end.
    """

    text: str
    size: float = 10
    colour: Colour = INK
    weight: str = "normal"
    align: str = "left"
    keep_end: bool = False


def write(
    figure: Figure, left: float, baseline: float, text: Text, room: float = 0
) -> None:
    """Writes a line of text on a figure.

    Args:
        figure: The figure to write on.
        left: The position of the line from the left, in pixels; for a text
            aligned to the right, that of its right end.
        baseline: The position of the baseline from the top, in pixels.
        text: The line to write.
        room: The width in pixels to which a longer line is shortened; 0 does
            not shorten it.
    """
    shown = text.text
    line = figure.text(
        left,
        size_of(figure)[1] - baseline,
        shown,
        transform=IdentityTransform(),
        size=text.size,
        weight=text.weight,
        color=text.colour,
        horizontalalignment=text.align,
        parse_math=False,
    )
    with _any_script():
        while room and line.get_window_extent().width > room:
            shown = shown[1:] if text.keep_end else shown[:-1]
            line.set_text(f"…{shown}" if text.keep_end else f"{shown}…")


def write_title(
    figure: Figure, left: float, title: str, room: float = 0
) -> None:
    """Writes a title, shortened to `room` pixels or to the figure's width."""
    room = room or size_of(figure)[0] - 2 * left
    write(figure, left, 44, Text(title, 15, weight="bold"), room)


def pixels(figure: Figure) -> np.ndarray:
    """Draws a figure and returns its pixels, uint8 [height, width, 3]."""
    with _any_script():
        figure.canvas.draw()
    assert isinstance(figure.canvas, FigureCanvasAgg)
    return np.array(figure.canvas.buffer_rgba())[..., :3]


@contextlib.contextmanager
def _any_script() -> Iterator[None]:
    """Suppresses warnings about letters that the font lacks.

    Such letters in names of classes are drawn as boxes, which is clear enough
    without a warning for each letter.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def encode_png(image: np.ndarray) -> bytes:
    """Encodes an image, uint8 [H, W, 3], as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    return buffer.getvalue()


def save_png(image: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Writes an image, uint8 [H, W, 3], and makes its folder if necessary."""
    content = encode_png(image)
    atomic_files.write(pathlib.Path(path), lambda file: file.write(content))
