"""Pictures of what a search found.

Every image has a colour of its own, so that a test finds it in the picture
without knowing the layout.
"""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.figures.retrieval import MOST, Found, retrieval_array

GREEN, RED = (0, 158, 115), (213, 94, 0)


def found(number: int, class_name: str = "", query: bool = False) -> Found:
    image = np.full((8, 8, 3), (3 + 4 * number, 77, 250 - number), np.uint8)
    similarity = None if query else 1 - number / 100
    return Found(image, f"{number}.png", class_name, similarity)


def place(picture: np.ndarray, shown: Found) -> tuple[int, int, int] | None:
    """Left, top and side of the only tile that shows the image."""
    mask = (picture == shown.image[0, 0]).all(-1)
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = rows[0], columns[0]
    side = len(rows)
    assert len(columns) == side
    assert mask[top : top + side, left : left + side].all()
    return int(left), int(top), side


def frame(picture: np.ndarray, shown: Found) -> tuple[int, ...]:
    """The colour left of the tile."""
    left, top, _ = place(picture, shown)
    return tuple(picture[top + 5, left - 2].tolist())


@pytest.mark.parametrize("count", [1, 4, 5, 6, 10, 23])
def test_neighbours_stand_in_reading_order_right_of_the_query(count):
    query = found(0, query=True)
    neighbours = [found(i) for i in range(1, count + 1)]
    picture = retrieval_array(query, neighbours, searched=100)

    left, top, side = place(picture, query)
    places = [place(picture, n) for n in neighbours]
    assert all(x > left + side for x, _, _ in places)
    assert all(size < side for *_, size in places)
    assert places[0][1] == top
    assert places == sorted(places, key=lambda at: (at[1], at[0]))


def test_frames_tell_whether_the_class_is_the_querys():
    same, other, unknown = found(1, "cat"), found(2, "dog"), found(3)
    query = found(0, "cat", query=True)
    picture = retrieval_array(query, [same, other, unknown], searched=9)
    assert frame(picture, same) == GREEN
    assert frame(picture, other) == RED
    assert frame(picture, unknown) not in (GREEN, RED)


def test_without_a_class_of_the_query_there_is_no_verdict():
    neighbours = [found(1, "cat"), found(2, "dog")]
    picture = retrieval_array(found(0, query=True), neighbours, searched=9)
    assert frame(picture, neighbours[0]) == frame(picture, neighbours[1])
    for colour in (GREEN, RED):
        assert not (picture == colour).all(-1).any()


def test_an_image_that_is_gone_leaves_an_empty_frame():
    gone = Found(None, "gone.png", "", 0.5)
    neighbours = [found(1), gone, found(3)]
    picture = retrieval_array(found(0, query=True), neighbours, searched=9)
    (x, y, side), (third, *_) = place(picture, found(1)), place(
        picture, found(3)
    )  # fmt: skip
    step = (third - x) // 2
    inside = picture[y : y + side, x + step : x + step + side]
    assert (inside == 255).all()
    assert tuple(picture[y + 5, x + step - 2]) == frame(picture, found(1))


def test_no_more_are_drawn_than_fit():
    neighbours = [found(i) for i in range(1, MOST + 5)]
    picture = retrieval_array(found(0, query=True), neighbours, searched=99)
    assert place(picture, neighbours[MOST - 1])
    assert place(picture, neighbours[MOST]) is None


def test_long_names_stay_beneath_their_tile():
    query = found(0, query=True)
    short = found(1, "c"), found(2, "c")
    long = [
        Found(n.image, "folder/" * 30 + n.name, r"$\frac{a} " * 9, 0.5)
        for n in short
    ]
    picture = retrieval_array(query, long, searched=9)
    (first, top, side), (second, *_) = (place(picture, n) for n in long)
    between = picture[
        top + side + 8 : top + side + 55, first + side + 5 : second - 5
    ]
    assert between.size and (between == 255).all()
