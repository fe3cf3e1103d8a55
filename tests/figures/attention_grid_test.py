"""Heat maps over images: what stands where, and in which colours."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.figures import attention_array
from and_tf.figures.attention_grid import (
    COLOURS,
    OPACITY,
    SIDE,
    Column,
    enlarged,
)


def corners(picture: np.ndarray) -> list[tuple[int, int]]:
    """Left and top of all squares of a tile's size without white inside.

    In reading order, from sums over all pixels above and left of each.
    """
    ink = (picture != 255).any(-1)
    sums = np.pad(ink.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    below, above = sums[SIDE:], sums[:-SIDE]
    inside = below[:, SIDE:] - below[:, :-SIDE]
    inside -= above[:, SIDE:] - above[:, :-SIDE]
    return [(x, y) for y, x in np.argwhere(inside == SIDE**2)]


def tiles_of(picture: np.ndarray) -> list[np.ndarray]:
    """The tiles in reading order."""
    return [picture[y : y + SIDE, x : x + SIDE] for x, y in corners(picture)]


def column(maps: np.ndarray, head: str = "round 1") -> Column:
    return Column(head, "epoch 3", maps, ["0.50"] * len(maps))


def test_a_row_an_image_and_a_column_a_moment(rng):
    images = rng.integers(0, 200, (3, 24, 24, 3), np.uint8)
    maps = rng.random((3, 4, 4), np.float32)
    columns = [column(maps, f"round {r}") for r in range(6)]
    picture = attention_array(images, ["a", "b", "c"], columns)
    xs, ys = (sorted(set(axis)) for axis in zip(*corners(picture)))
    assert (len(xs), len(ys)) == (1 + 6, 3)
    tiles = tiles_of(picture)
    assert len(tiles) == 3 * 7
    for row, image in enumerate(images):
        np.testing.assert_array_equal(tiles[7 * row], enlarged(image))
        for place in range(1, 7):
            assert tiles[7 * row + place].std() > 1


def test_a_map_has_all_colours_whatever_its_height():
    """Over black, so that the colours are what is seen."""
    images = np.zeros((2, 64, 64, 3), np.uint8)
    maps = np.zeros((2, 8, 8), np.float32)
    maps[:, 2, 5] = [1e-6, 1e6]
    picture = attention_array(images, ["", ""], [column(maps)])
    _, first, _, second = tiles_of(picture)
    np.testing.assert_array_equal(first, second)
    hottest = np.unravel_index(first.sum(-1).argmax(), first.shape[:2])
    np.testing.assert_allclose(
        np.array(hottest) / SIDE, [2.5 / 8, 5.5 / 8], atol=0.02
    )
    last = 255 * np.array(COLOURS(1.0)[:3]) * OPACITY[1]
    np.testing.assert_allclose(first[hottest], last, atol=3)
    coldest = 255 * np.array(COLOURS(0.0)[:3]) * OPACITY[0]
    np.testing.assert_allclose(first[-1, 0], coldest, atol=1)


def test_an_image_is_seen_through_its_map(rng):
    image = rng.integers(0, 200, (1, 32, 32, 3), np.uint8)
    picture = attention_array(image, [""], [column(np.ones((1, 4, 4)))])
    below, above = (tile[..., 0] for tile in tiles_of(picture))
    assert np.corrcoef(below.ravel(), above.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("side", [8, 224])
def test_odd_content_is_drawn(side):
    images = np.full((1, side, side, 3), 200, np.uint8)
    maps = np.zeros((1, 1, 2), np.float32)  # Nothing above 0.
    picture = attention_array(
        images, ["a class of a very long name $" * 5], [column(maps)],
        title="a long title " * 20, reading=("words " * 99, ""),
    )  # fmt: skip
    assert (picture[:, -6:] == 255).all()
    _, coldest = tiles_of(picture)
    assert len(np.unique(coldest.reshape(-1, 3), axis=0)) == 1
