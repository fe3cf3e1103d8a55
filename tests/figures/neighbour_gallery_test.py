"""Galleries of anchors and neighbours, and pictures of searches.

Every image has a colour of its own, so that a test finds it in the picture
without knowing the layout.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from and_tf.figures import canvas, gallery_array, retrieval_array
from and_tf.figures.neighbour_gallery import MOST, Found, spread_anchors
from and_tf.method.discovery import Neighbourhoods

N = 40
GREEN, RED = canvas.rgb(canvas.GREEN), canvas.rgb(canvas.VERMILION)
COLOURS = np.stack(
    [np.arange(N) * 5 + 3, np.full(N, 77), np.arange(N)[::-1] * 6], axis=1
).astype(np.uint8)
IMAGES = np.broadcast_to(COLOURS[:, None, None], (N, 8, 8, 3))


def neighbourhoods(
    k: int = 1, is_anchor: Sequence[int] = range(20)
) -> Neighbourhoods:
    """Sample i is followed by i + 1, i + 2, ...; entropy grows with i."""
    neighbours = (np.arange(N)[:, None] + 1 + np.arange(k)) % N
    return Neighbourhoods(
        round=2,
        entropy=np.linspace(1, 2, N, dtype=np.float32),
        neighbours=neighbours.astype(np.int32),
        is_anchor=np.isin(np.arange(N), is_anchor),
    )


def places(picture: np.ndarray, number: int) -> list[tuple[int, int]]:
    """Left and top of every tile that shows the image, 96 pixels a side."""
    mask = (picture == COLOURS[number]).all(-1)
    corners = mask & ~np.roll(mask, 1, 0) & ~np.roll(mask, 1, 1)
    found = [(x, y) for y, x in np.argwhere(corners)]
    return [(x, y) for x, y in found if mask[y : y + 96, x : x + 96].all()]


def frame(picture: np.ndarray, number: int) -> tuple[int, ...]:
    """The one colour around the only tile that shows the image."""
    ((x, y),) = places(picture, number)
    around = picture[y - 3 : y + 99, x - 3 : x + 99].copy()
    around[3:-3, 3:-3] = around[0, 0]
    (colour,) = np.unique(around.reshape(-1, 3), axis=0)
    return tuple(colour.tolist())


def test_neighbours_are_framed_by_their_class() -> None:
    labels = np.zeros(N, np.int64)
    labels[[5, 9]] = 1, -1
    picture = gallery_array(
        IMAGES, neighbourhoods(is_anchor=[0, 4, 8]), labels=labels
    )

    assert frame(picture, 1) == GREEN
    assert frame(picture, 5) == RED
    assert frame(picture, 9) not in (GREEN, RED)
    assert frame(picture, 0) == frame(picture, 4) == frame(picture, 8)
    assert frame(picture, 0) not in (GREEN, RED)


def test_marks_do_not_rest_on_colour_alone() -> None:
    """The same picture in grey tells right from wrong by its marks."""
    right = gallery_array(
        IMAGES, neighbourhoods(is_anchor=[0]), labels=np.zeros(N, int)
    )
    wrong = gallery_array(
        IMAGES, neighbourhoods(is_anchor=[0]), labels=np.arange(N)
    )
    ((x, y),) = places(right, 1)
    under = np.s_[y + 102 : y + 118, x - 4 : x + 10]  # Where the mark stands.
    ink = [(p[under] < 200).any(-1) for p in (right, wrong)]

    assert ink[0].any() and ink[1].any()
    assert (ink[0] != ink[1]).any()


def test_without_labels_there_are_no_verdicts() -> None:
    picture = gallery_array(IMAGES, neighbourhoods(is_anchor=[0, 4]))

    assert frame(picture, 1) == frame(picture, 5)
    for colour in (GREEN, RED):
        assert not (picture == colour).all(-1).any()


def test_neighbours_stand_right_of_their_anchor_in_order() -> None:
    picture = gallery_array(IMAGES, neighbourhoods(3, [10, 20]))

    for anchor in (10, 20):
        tiles = [places(picture, anchor + i) for i in range(4)]
        xs = [x for ((x, _),) in tiles]
        ys = {y for ((_, y),) in tiles}
        assert xs == sorted(xs) and len(ys) == 1


def test_one_neighbour_fills_rows_with_pairs() -> None:
    picture = gallery_array(IMAGES, neighbourhoods(is_anchor=range(N)))
    assert picture.shape[1] <= 1200
    tops = [y for n in range(N) for _, y in places(picture, n)]
    assert np.unique(tops, return_counts=True)[1].max() == 10


def test_more_neighbours_than_fit_are_left_out() -> None:
    picture = gallery_array(IMAGES, neighbourhoods(30, [0]))
    assert picture.shape[1] <= 1200
    assert places(picture, 9) and not places(picture, 10)


def test_pixels_of_small_images_are_enlarged_not_blurred() -> None:
    images = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), np.uint8)
    images[0, 0, 0] = (1, 2, 3)
    picture = gallery_array(images, neighbourhoods(is_anchor=[0]))
    y, x = np.argwhere((picture == (1, 2, 3)).all(-1))[0]
    np.testing.assert_array_equal(
        picture[y : y + 96, x : x + 96],
        np.kron(images[0], np.ones((3, 3, 1), np.uint8)),
    )


def test_only_needed_images_are_fetched_and_once() -> None:
    asked = []

    def fetch(numbers: np.ndarray) -> np.ndarray:
        asked.append(numbers.tolist())
        return IMAGES[numbers]

    fetched = gallery_array(fetch, neighbourhoods(is_anchor=[3, 4, 9]))

    assert asked == [[3, 4, 5, 9, 10]]
    np.testing.assert_array_equal(
        fetched, gallery_array(IMAGES, neighbourhoods(is_anchor=[3, 4, 9]))
    )


def test_default_anchors_are_spread_over_the_entropy_of_the_selected() -> None:
    found = neighbourhoods(is_anchor=range(21))
    reverse = Neighbourhoods(
        2, found.entropy[::-1], found.neighbours, found.is_anchor[::-1]
    )

    assert spread_anchors(found, 3).tolist() == [0, 10, 20]
    assert spread_anchors(reverse, 3).tolist() == [39, 29, 19]
    assert spread_anchors(found, 100).tolist() == list(range(21))


def test_with_none_selected_all_samples_are_candidates() -> None:
    assert spread_anchors(neighbourhoods(is_anchor=[]), 2).tolist() == [0, 39]


def test_long_and_odd_class_names_are_drawn() -> None:
    picture = gallery_array(
        IMAGES,
        neighbourhoods(is_anchor=[0]),
        labels=np.zeros(N, np.int64),
        class_names=[r"$\frac a very long name of a class that goes on"],
    )
    ((x, y),) = places(picture, 1)
    ink = (picture[y + 101 : y + 120] < 200).any(-1).any(0)
    assert 80 < np.flatnonzero(ink).max() - x <= 100


def hit(number: int, class_name: str = "", query: bool = False) -> Found:
    image = np.full((8, 8, 3), (3 + 4 * number, 77, 250 - number), np.uint8)
    similarity = None if query else 1 - number / 100
    return Found(image, f"{number}.png", class_name, similarity)


def spot(picture: np.ndarray, shown: Found) -> tuple[int, int, int] | None:
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


def border(picture: np.ndarray, shown: Found) -> tuple[int, ...]:
    """The colour left of the tile."""
    left, top, _ = spot(picture, shown)
    return tuple(picture[top + 5, left - 2].tolist())


@pytest.mark.parametrize("count", [1, 4, 5, 6, 10, 23])
def test_neighbours_stand_in_reading_order_right_of_the_query(count):
    query = hit(0, query=True)
    neighbours = [hit(i) for i in range(1, count + 1)]
    picture = retrieval_array(query, neighbours, searched=100)

    left, top, side = spot(picture, query)
    spots = [spot(picture, n) for n in neighbours]
    assert all(x > left + side for x, _, _ in spots)
    assert all(size < side for *_, size in spots)
    assert spots[0][1] == top
    assert spots == sorted(spots, key=lambda at: (at[1], at[0]))


def test_frames_tell_whether_the_class_is_the_querys():
    same, other, unknown = hit(1, "cat"), hit(2, "dog"), hit(3)
    query = hit(0, "cat", query=True)
    picture = retrieval_array(query, [same, other, unknown], searched=9)
    assert border(picture, same) == GREEN
    assert border(picture, other) == RED
    assert border(picture, unknown) not in (GREEN, RED)


def test_without_a_class_of_the_query_there_is_no_verdict():
    neighbours = [hit(1, "cat"), hit(2, "dog")]
    picture = retrieval_array(hit(0, query=True), neighbours, searched=9)
    assert border(picture, neighbours[0]) == border(picture, neighbours[1])
    for colour in (GREEN, RED):
        assert not (picture == colour).all(-1).any()


def test_an_image_that_is_gone_leaves_an_empty_frame():
    gone = Found(None, "gone.png", "", 0.5)
    neighbours = [hit(1), gone, hit(3)]
    picture = retrieval_array(hit(0, query=True), neighbours, searched=9)
    (x, y, side), (third, *_) = spot(picture, hit(1)), spot(
        picture, hit(3)
    )  # fmt: skip
    step = (third - x) // 2
    inside = picture[y : y + side, x + step : x + step + side]
    assert (inside == 255).all()
    assert tuple(picture[y + 5, x + step - 2]) == border(picture, hit(1))


def test_no_more_are_drawn_than_fit():
    neighbours = [hit(i) for i in range(1, MOST + 5)]
    picture = retrieval_array(hit(0, query=True), neighbours, searched=99)
    assert spot(picture, neighbours[MOST - 1])
    assert spot(picture, neighbours[MOST]) is None


def test_long_names_stay_beneath_their_tile():
    query = hit(0, query=True)
    short = hit(1, "c"), hit(2, "c")
    long = [
        Found(n.image, "folder/" * 30 + n.name, r"$\frac{a} " * 9, 0.5)
        for n in short
    ]
    picture = retrieval_array(query, long, searched=9)
    (first, top, side), (second, *_) = (spot(picture, n) for n in long)
    between = picture[
        top + side + 8 : top + side + 55, first + side + 5 : second - 5
    ]
    assert between.size and (between == 255).all()
