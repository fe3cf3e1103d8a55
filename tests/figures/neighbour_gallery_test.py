"""Galleries of anchors and neighbours.

Every image has a colour of its own, so that a test finds it in the picture
without knowing the layout.
"""

import numpy as np
import pytest
from PIL import Image

from and_tf.figures import gallery, gallery_array
from and_tf.figures.neighbour_gallery import spread_anchors
from and_tf.method.discovery import Neighbourhoods

N = 40
GREEN, RED = (0, 158, 115), (213, 94, 0)
COLOURS = np.stack(
    [np.arange(N) * 5 + 3, np.full(N, 77), np.arange(N)[::-1] * 6], axis=1
).astype(np.uint8)
IMAGES = np.broadcast_to(COLOURS[:, None, None], (N, 8, 8, 3))


def neighbourhoods(k: int = 1, selected: int = 20) -> Neighbourhoods:
    """Sample i is followed by i + 1, i + 2, ...; entropy grows with i."""
    neighbours = (np.arange(N)[:, None] + 1 + np.arange(k)) % N
    return Neighbourhoods(
        round=2,
        entropy=np.linspace(1, 2, N, dtype=np.float32),
        neighbours=neighbours.astype(np.int32),
        selected=np.arange(N) < selected,
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
        IMAGES, neighbourhoods(), labels=labels, anchors=[0, 4, 8]
    )

    assert frame(picture, 1) == GREEN
    assert frame(picture, 5) == RED
    assert frame(picture, 9) not in (GREEN, RED)
    assert frame(picture, 0) == frame(picture, 4) == frame(picture, 8)
    assert frame(picture, 0) not in (GREEN, RED)


def test_marks_do_not_rest_on_colour_alone() -> None:
    """The same picture in grey tells right from wrong by its marks."""
    right = gallery_array(
        IMAGES, neighbourhoods(), labels=np.zeros(N, int), anchors=[0]
    )
    wrong = gallery_array(
        IMAGES, neighbourhoods(), labels=np.arange(N), anchors=[0]
    )
    ((x, y),) = places(right, 1)
    under = np.s_[y + 102 : y + 118, x - 4 : x + 10]  # Where the mark stands.
    ink = [(p[under] < 200).any(-1) for p in (right, wrong)]

    assert ink[0].any() and ink[1].any()
    assert (ink[0] != ink[1]).any()


def test_without_labels_there_are_no_verdicts() -> None:
    picture = gallery_array(IMAGES, neighbourhoods(), anchors=[0, 4])

    assert frame(picture, 1) == frame(picture, 5)
    for colour in (GREEN, RED):
        assert not (picture == colour).all(-1).any()


def test_neighbours_stand_right_of_their_anchor_in_order() -> None:
    picture = gallery_array(IMAGES, neighbourhoods(k=3), anchors=[10, 20])

    for anchor in (10, 20):
        tiles = [places(picture, anchor + i) for i in range(4)]
        xs = [x for ((x, _),) in tiles]
        ys = {y for ((_, y),) in tiles}
        assert xs == sorted(xs) and len(ys) == 1


def test_columns_say_how_many_anchors_stand_in_a_row() -> None:
    picture = gallery_array(
        IMAGES, neighbourhoods(), anchors=[0, 10, 20], columns=2
    )
    ((_, first),), ((_, second),), ((_, third),) = (
        places(picture, n) for n in (0, 10, 20)
    )
    assert first == second < third


def test_one_neighbour_fills_rows_with_pairs() -> None:
    picture = gallery_array(IMAGES, neighbourhoods(selected=N))
    assert picture.shape[1] <= 1200
    tops = [y for n in range(N) for _, y in places(picture, n)]
    assert np.unique(tops, return_counts=True)[1].max() == 10


def test_more_neighbours_than_fit_are_left_out() -> None:
    picture = gallery_array(IMAGES, neighbourhoods(k=30), anchors=[0])
    assert picture.shape[1] <= 1200
    assert places(picture, 9) and not places(picture, 10)


def test_pixels_of_small_images_are_enlarged_not_blurred() -> None:
    images = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), np.uint8)
    images[0, 0, 0] = (1, 2, 3)
    picture = gallery_array(images, neighbourhoods(), anchors=[0])
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

    fetched = gallery_array(fetch, neighbourhoods(), anchors=[3, 4, 9])

    assert asked == [[3, 4, 5, 9, 10]]
    np.testing.assert_array_equal(
        fetched, gallery_array(IMAGES, neighbourhoods(), anchors=[3, 4, 9])
    )


def test_default_anchors_are_spread_over_the_entropy_of_the_selected() -> None:
    found = neighbourhoods(selected=21)
    reverse = Neighbourhoods(
        2, found.entropy[::-1], found.neighbours, found.selected[::-1]
    )

    assert spread_anchors(found, 3).tolist() == [0, 10, 20]
    assert spread_anchors(reverse, 3).tolist() == [39, 29, 19]
    assert spread_anchors(found, 100).tolist() == list(range(21))


def test_with_none_selected_all_samples_are_candidates() -> None:
    assert spread_anchors(neighbourhoods(selected=0), 2).tolist() == [0, 39]


def test_no_anchor_is_refused() -> None:
    with pytest.raises(ValueError, match="an anchor or more"):
        gallery_array(IMAGES, neighbourhoods(), anchors=[])


def test_long_and_odd_class_names_are_drawn(tmp_path) -> None:
    gallery(
        IMAGES,
        neighbourhoods(),
        tmp_path / "g.png",
        labels=np.zeros(N, np.int64),
        class_names=[r"$\frac a very long name of a class that goes on"],
        anchors=[0],
    )
    with Image.open(tmp_path / "g.png") as file:
        picture = np.asarray(file)
    ((x, y),) = places(picture, 1)
    ink = (picture[y + 101 : y + 120] < 200).any(-1).any(0)
    assert 80 < np.flatnonzero(ink).max() - x <= 100
