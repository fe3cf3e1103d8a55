"""Where the tiles of a gallery stand. All lengths are pixels."""

from __future__ import annotations

import dataclasses

WIDTH = 1200
LEAST_WIDTH = 820  # For the title.
MARGIN = 24
HEADER = 80
TILE = 96
FRAME = 4
CELL = TILE + 2 * FRAME
CAPTION = 42  # Two lines of text and some air under a tile.
GAP = 6
BETWEEN_GROUPS = 20
ROWS = 6


@dataclasses.dataclass(frozen=True)
class Layout:
    """A grid of groups, each an anchor and `shown` neighbours in a row.

    Attributes:
        shown: Neighbours of each anchor.
        columns: Groups a row.
    """

    shown: int
    columns: int

    @property
    def group(self) -> int:
        """The width of a group."""
        return (1 + self.shown) * (CELL + GAP) - GAP

    def size(self, groups: int) -> tuple[int, int]:
        """Height and width of the picture of this many groups."""
        rows = -(-groups // self.columns)
        width = self.columns * (self.group + BETWEEN_GROUPS) - BETWEEN_GROUPS
        height = HEADER + rows * (CELL + CAPTION)
        return height, max(width + 2 * MARGIN, LEAST_WIDTH)

    def corner(self, group: int, place: int) -> tuple[int, int]:
        """Left and top of a framed tile; place 0 is the anchor's."""
        row, column = divmod(group, self.columns)
        left = MARGIN + column * (self.group + BETWEEN_GROUPS)
        left += place * (CELL + GAP)
        return left, HEADER + row * (CELL + CAPTION)


def plan(neighbours: int, columns: int = 0) -> Layout:
    """The layout for k neighbours.

    Args:
        neighbours: k; as many are shown as fit beside the anchor.
        columns: Groups a row; 0 takes as many as fit.
    """
    room = WIDTH - 2 * MARGIN
    shown = min(neighbours, (room + GAP) // (CELL + GAP) - 1)
    group = Layout(shown, 1).group + BETWEEN_GROUPS
    return Layout(shown, columns or max(1, (room + BETWEEN_GROUPS) // group))
