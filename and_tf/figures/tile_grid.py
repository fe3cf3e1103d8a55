"""Draws images in rows and columns, with captions and headings."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour, Text
from and_tf.figures.tiles import tile

MARGIN = 24  # All lengths here are in pixels.
LEAST_WIDTH = 820  # Leaves enough room for the title.
AIR = 16  # The space below captions.
NAMES_WIDTH = 190  # The width of the rows' names.
AFTER_LEAD = 30
BETWEEN_GROUPS = 20
SCALE_HEIGHT = 10
SMALL = 8.5  # The size of captions, in points.


@dataclasses.dataclass(frozen=True)
class Tile:
    """An image with its caption.

    Attributes:
        image: uint8 [H, W, 3]; None leaves the tile empty.
        caption: Lines below the image; empty lines take no room.
        colour: The colour of the frame, if the grid has frames.
    """

    image: np.ndarray | None
    caption: Sequence[Text] = ()
    colour: Colour = canvas.GREY


@dataclasses.dataclass(frozen=True)
class Scale:
    """A legend of colours, drawn at the upper right.

    Attributes:
        colours: uint8 [width, 3], from the least to the most.
        least: The text to the left of the legend.
        most: The text above the right end of the legend.
    """

    colours: np.ndarray
    least: str
    most: str


@dataclasses.dataclass(frozen=True)
class TileGrid:
    """A picture of tiles, as large as its content needs.

    Attributes:
        rows: The rows of tiles from the top, each row from the left.
        side: The side of a tile's image, in pixels.
        title: The title above the picture.
        reading: Lines below the title that say how to read the picture.
        headings: The lines above each column.
        names: The lines to the left of each row.
        lead: A tile to the left of all rows, as high as two rows; None for
            none.
        scale: A legend of colours; None for none.
        frame: The width of the tiles' frames, in pixels.
        gap: The distance between columns, and between rows without captions,
            in pixels.
        group: The number of columns in a group; groups are farther apart than
            columns. 0 makes no groups.
    """

    rows: Sequence[Sequence[Tile]]
    side: int
    title: str = ""
    reading: Sequence[str] = ()
    headings: Sequence[Sequence[Text]] = ()
    names: Sequence[Sequence[Text]] = ()
    lead: Tile | None = None
    scale: Scale | None = None
    frame: int = 0
    gap: int = 6
    group: int = 0

    @property
    def cell(self) -> int:
        """The side of a framed tile, in pixels."""
        return self.side + 2 * self.frame

    @functools.cached_property
    def below(self) -> int:
        """The distance between two rows, for the captions, in pixels."""
        captions = _tallest([t.caption for row in self.rows for t in row])
        return captions + AIR if captions else self.gap

    @functools.cached_property
    def header(self) -> int:
        """The distance from the top to the first row, in pixels."""
        headings = _tallest(self.headings)
        return 70 + 18 * len(self.reading) + (headings and headings + 8)

    @property
    def lead_side(self) -> int:
        """The side of the framed lead, in pixels."""
        return 2 * self.cell + self.below

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Returns the left and top of a framed tile, in pixels."""
        left = MARGIN + (NAMES_WIDTH if self.names else 0)
        left += self.lead_side + AFTER_LEAD if self.lead else 0
        left += column * (self.cell + self.gap)
        if self.group:
            left += column // self.group * (BETWEEN_GROUPS - self.gap)
        return left, self.header + row * (self.cell + self.below)

    @property
    def size(self) -> tuple[int, int]:
        """The width and height of the picture, in pixels."""
        rows = max(len(self.rows), 2 if self.lead else 0)
        columns = max(map(len, self.rows))
        width = self.corner(0, columns - 1)[0] + self.cell + MARGIN
        return max(width, LEAST_WIDTH), self.corner(rows, 0)[1] + 12

    def draw(self) -> np.ndarray:
        """Draws the picture and returns it, uint8 [height, width, 3]."""
        width, height = self.size
        paper = np.full((height, width, 3), 255, np.uint8)
        for one, place in self._placed():
            _paste(paper, one, *place, self.frame)
        figure = canvas.new_figure(width, height)
        if self.scale:
            self._draw_scale(figure, paper, self.scale)
        figure.figimage(paper)
        self._write_head(figure)
        for one, (left, top, side) in self._placed():
            _write(figure, one.caption, left, top + side, side)
        for row, lines in enumerate(self.names):
            top = self.corner(row, 0)[1] - 4
            top += (self.cell - _tallest([lines])) // 2
            _write(figure, lines, MARGIN, top, NAMES_WIDTH - 12)
        return canvas.pixels(figure)

    def _placed(self) -> Iterator[tuple[Tile, tuple[int, int, int]]]:
        """Yields all tiles with the left, top and side of their frames."""
        if self.lead:
            yield self.lead, (MARGIN, self.header, self.lead_side)
        for row, tiles in enumerate(self.rows):
            for column, one in enumerate(tiles):
                yield one, (*self.corner(row, column), self.cell)

    def _write_head(self, figure: Figure) -> None:
        """Writes the title, how to read the picture, and the headings."""
        room = self.size[0] - 2 * MARGIN
        # The title leaves room for the legend to its right.
        used = 2 * len(self.scale.colours) if self.scale else 0
        canvas.write_title(figure, MARGIN, self.title, room - used)
        for line, text in enumerate(self.reading):
            canvas.write(figure, MARGIN, 68 + 18 * line, Text(text), room)
        top = self.header - 8 - _tallest(self.headings)
        for column, lines in enumerate(self.headings):
            _write(figure, lines, self.corner(0, column)[0], top, self.cell)

    def _draw_scale(
        self, figure: Figure, paper: np.ndarray, scale: Scale
    ) -> None:
        """Pastes the legend's colours onto the paper, and names their ends."""
        top, right = 34, self.size[0] - MARGIN
        bottom, left = top + SCALE_HEIGHT, right - len(scale.colours)
        paper[top:bottom, left:right] = scale.colours
        least = Text(scale.least, SMALL, align="right")
        most = Text(scale.most, SMALL, align="right")
        canvas.write(figure, left - 5, bottom - 1, least)
        canvas.write(figure, right, top - 6, most)


def _height(line: Text) -> int:
    """Returns the height of a line of text in pixels, 0 if it is empty."""
    return round(1.65 * line.size) if line.text else 0


def _tallest(texts: Sequence[Sequence[Text]]) -> int:
    """Returns the height of the highest group of lines, in pixels."""
    return max((sum(map(_height, lines)) for lines in texts), default=0)


def _paste(
    paper: np.ndarray, one: Tile, left: int, top: int, side: int, frame: int
) -> None:
    """Puts a tile into a square of the paper, within its frame."""
    cell = paper[top : top + side, left : left + side]
    cell[:] = canvas.rgb(one.colour)
    inside = cell[frame : side - frame, frame : side - frame]
    image = one.image
    inside[:] = 255 if image is None else tile(image, side - 2 * frame)


def _write(
    figure: Figure, lines: Sequence[Text], left: int, top: int, room: int
) -> None:
    """Writes lines below one another."""
    for line in lines:
        top += _height(line)
        canvas.write(figure, left, top, line, room)
