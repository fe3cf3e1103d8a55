"""Grids of tiles, each tile of a colour of its own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from and_tf.figures.canvas import Text
from and_tf.figures.tile_grid import MARGIN, Scale, Tile, TileGrid

SIDE = 40


def colour(number: int) -> tuple[int, int, int]:
    return 9 * number + 5, 80, 200 - 9 * number


def tiles(rows: int, columns: int, caption: tuple[Text, ...] = ()):
    """Rows of tiles, numbered in reading order."""
    return [
        [
            Tile(
                np.full((5, 5, 3), colour(row * columns + column), np.uint8),
                caption,
            )
            for column in range(columns)
        ]
        for row in range(rows)
    ]


def box(picture: np.ndarray, number: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the only tile of this number."""
    ys, xs = np.nonzero((picture == colour(number)).all(-1))
    found = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    assert len(ys) == (found[2] - found[0]) * (found[3] - found[1])
    return tuple(map(int, found))


def test_tiles_stand_in_rows_and_columns() -> None:
    picture = TileGrid(tiles(2, 3), SIDE, gap=7).draw()
    boxes = [box(picture, number) for number in range(6)]
    for left, top, right, bottom in boxes:
        assert (right - left, bottom - top) == (SIDE, SIDE)
    for row, column in itertools.product(range(2), range(3)):
        left, top, *_ = boxes[3 * row + column]
        assert left == boxes[0][0] + column * (SIDE + 7)
        assert top == boxes[0][1] + row * (SIDE + 7)


def test_groups_are_farther_from_one_another() -> None:
    lefts = [
        box(TileGrid(tiles(1, 4), SIDE, group=2, gap=6).draw(), i)[0]
        for i in range(4)
    ]
    within, between, again = np.diff(lefts)
    assert within == again == SIDE + 6 < between


def test_headings_names_and_reading_have_room_of_their_own() -> None:
    plain = TileGrid(tiles(2, 2), SIDE)
    headed = TileGrid(
        tiles(2, 2),
        SIDE,
        title="title",
        reading=["one", "two"],
        headings=[[Text("left")], [Text("right"), Text("more")]],
        names=[[Text("upper")], [Text("lower"), Text("more")]],
    )
    before, after = box(plain.draw(), 0), box(headed.draw(), 0)
    picture = headed.draw()
    assert after[0] > before[0] and after[1] > before[1] + 36
    left, top, right, bottom = after
    assert (picture[top - 40 : top, left:right] < 128).any()
    assert (picture[top:bottom, MARGIN : left - 10] < 128).any()
    assert (picture[top:bottom, left - 10 : left] == 255).all()


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_the_lead_is_as_high_as_two_rows(rows: int) -> None:
    shown = tiles(rows, 2, (Text("caption"),))
    lead = Tile(np.full((5, 5, 3), colour(20), np.uint8), (Text("lead"),))
    picture = TileGrid(shown, SIDE, frame=2, lead=lead).draw()
    _, top, right, bottom = box(picture, 20)
    first = box(picture, 0)
    assert top == first[1] and right < first[0]
    if rows > 1:
        assert bottom == box(picture, 2)[3]
    assert len(picture) > bottom + 14


def test_a_scale_shows_its_colours_from_the_left() -> None:
    colours = np.array([colour(20 + i // 10) for i in range(20)], np.uint8)
    picture = TileGrid(
        tiles(1, 1), SIDE, scale=Scale(colours, "least", "most")
    ).draw()
    left, right = box(picture, 20), box(picture, 21)
    assert left[2] == right[0]
    assert right[2] == picture.shape[1] - MARGIN
    assert right[3] < box(picture, 0)[1]
