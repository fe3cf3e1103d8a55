"""Maps of points, by the colours of what is drawn."""

import numpy as np
import pytest

from and_tf.figures import canvas, map_array
from and_tf.figures.embedding_map import FEW, MARGIN, SIDE, palette


def where(picture: np.ndarray, colour: canvas.Colour) -> np.ndarray:
    """(y, x) on the map that are nearly this colour, as points are clear."""
    part = picture[:, : MARGIN + SIDE].astype(int)
    return np.argwhere(np.abs(part - canvas.rgb(colour)).max(-1) < 80)


def test_classes_stand_where_their_points_are(rng) -> None:
    points = rng.normal(size=(200, 2))
    labels = (points[:, 0] > 0).astype(int)
    points[:, 0] += np.where(labels, 8, -8)
    picture = map_array(points, labels, ["left", "right"], title="$ map")
    left, right = (where(picture, FEW[i])[:, 1] for i in (0, 1))
    assert left.max() < MARGIN + SIDE / 2 < right.min()


def test_without_labels_there_is_no_key(rng) -> None:
    points = rng.normal(size=(50, 2))
    plain = map_array(points)
    keyed = map_array(points, np.zeros(50, int))
    assert plain.shape[1] < keyed.shape[1]
    colourful = np.ptp(plain, axis=2) > 0
    assert not colourful.any()


@pytest.mark.parametrize("count", [3, 10, 11, 100])
def test_each_class_has_a_colour_of_its_own(count: int) -> None:
    assert len(set(palette(count))) == count


@pytest.mark.parametrize(
    ("points", "labels", "names"),
    [
        (np.zeros((5, 2)), np.array([0, 0, 1, -1, 2]), None),
        (np.eye(2), np.array([7, 7]), list("abcdefg") + ["a name " * 20]),
        (np.random.default_rng(0).normal(size=(300, 2)), np.arange(300), None),
    ],
    ids=["one place", "long name", "many classes"],
)
def test_odd_maps_are_drawn(points, labels, names) -> None:
    assert map_array(points, labels, names).dtype == np.uint8
