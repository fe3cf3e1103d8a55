"""Pictures of tiles: images in rows and columns, with captions and headings."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour, Text
from and_tf.figures.tiles import tile

MARGIN = 24  # Pixels, as all lengths here.
LEAST_WIDTH = 820  # So that the title has room.
AIR = 16  # Below captions.
NAMES_WIDTH = 190  # Of the rows' names.
AFTER_LEAD = 30
BETWEEN_GROUPS = 20
SCALE_HEIGHT = 10
SMALL = 8.5  # Points, of captions.


@dataclasses.dataclass(frozen=True)
class Tile:
    """An image with its caption.

    Attributes:
        image: uint8 [H, W, 3]; None leaves the tile empty.
        caption: Lines below it; empty ones take no room.
        colour: Of the frame, if the grid has frames.
    """

    image: np.ndarray | None
    caption: Sequence[Text] = ()
    colour: Colour = canvas.GREY


@dataclasses.dataclass(frozen=True)
class Scale:
    """A legend of colours, drawn at the upper right.

    Attributes:
        colours: uint8 [width, 3], from the least to the most.
        least: Text left of it.
        most: Text above its right end.
    """

    colours: np.ndarray
    least: str
    most: str


@dataclasses.dataclass(frozen=True)
class TileGrid:
    """A picture of tiles. It is as large as its content needs.

    Attributes:
        rows: Tiles from the top, each row from the left.
        side: Pixels a side of a tile's image.
        title: Stands above everything.
        reading: Lines below the title that say how to read the picture.
        headings: Lines above each column.
        names: Lines left of each row.
        lead: A tile left of all rows, as high as two of them.
        scale: A legend of colours.
        frame: Width of the tiles' frames.
        gap: Pixels between columns, and between rows without captions.
        group: Columns that belong together, farther from others; 0 for all.
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
        """A side of a framed tile."""
        return self.side + 2 * self.frame

    @functools.cached_property
    def below(self) -> int:
        """Pixels between two rows, where captions stand."""
        captions = _tallest([t.caption for row in self.rows for t in row])
        return captions + AIR if captions else self.gap

    @functools.cached_property
    def header(self) -> int:
        """Pixels above the first row."""
        headings = _tallest(self.headings)
        return 70 + 18 * len(self.reading) + (headings and headings + 8)

    @property
    def lead_side(self) -> int:
        """A side of the framed lead."""
        return 2 * self.cell + self.below

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Returns left and top of a framed tile."""
        left = MARGIN + (NAMES_WIDTH if self.names else 0)
        left += self.lead_side + AFTER_LEAD if self.lead else 0
        left += column * (self.cell + self.gap)
        if self.group:
            left += column // self.group * (BETWEEN_GROUPS - self.gap)
        return left, self.header + row * (self.cell + self.below)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        rows = max(len(self.rows), 2 if self.lead else 0)
        columns = max(map(len, self.rows))
        width = self.corner(0, columns - 1)[0] + self.cell + MARGIN
        return max(width, LEAST_WIDTH), self.corner(rows, 0)[1] + 12

    def draw(self) -> np.ndarray:
        """Draws the picture: uint8 [height, width, 3]."""
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
        # The legend stands at the right of the title.
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
    """Returns the pixels that a line takes among others, 0 without text."""
    return round(1.65 * line.size) if line.text else 0


def _tallest(texts: Sequence[Sequence[Text]]) -> int:
    """Returns the height of the highest of several groups of lines."""
    return max((sum(map(_height, lines)) for lines in texts), default=0)


def _paste(
    paper: np.ndarray, one: Tile, left: int, top: int, side: int, frame: int
) -> None:
    """Puts a tile into a square of the paper, within its frame."""
    cell = paper[top : top + side, left : left + side]
    cell[:] = canvas.rgb(one.colour)
    inside = cell[frame : side - frame, frame : side - frame]
    empty = one.image is None
    inside[:] = 255 if empty else tile(one.image, side - 2 * frame)


def _write(
    figure: Figure, lines: Sequence[Text], left: int, top: int, room: int
) -> None:
    """Writes lines below one another."""
    for line in lines:
        top += _height(line)
        canvas.write(figure, left, top, line, room)
