"""Pictures of clusterings: their sizes, and what stands in them."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.figures import confusion_array, prototypes_array


@pytest.mark.parametrize("classes", [2, 10, 60])
def test_confusion_has_a_cell_a_pair(classes):
    counts = np.eye(classes, classes + 1, dtype=int) * 9
    plain = confusion_array(counts)
    counts[0, -1] = 4
    wider = confusion_array(counts, title="with a column more")
    assert plain.dtype == np.uint8
    assert wider.shape[1] > plain.shape[1]
    assert plain.min() < 100  # Something is drawn.


def test_the_surest_stand_first():
    """Images of a red of their own each, found again in the picture."""
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]])
    levels = np.array([40, 90, 140], np.uint8)
    images = np.zeros((3, 8, 8, 3), np.uint8)
    images[..., 0] = levels[:, None, None]
    picture = prototypes_array(images, probabilities, matching=[1, -1])
    reds = [(level, 0, 0) for level in levels]
    places = [np.argwhere((picture == red).all(-1)) for red in reds]
    tops, lefts = np.array([p.min(0) for p in places]).T
    assert tops[0] == tops[1] < tops[2]
    assert lefts[1] == lefts[2] < lefts[0]


def test_empty_clusters_are_left_out():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    few = prototypes_array(images, np.eye(9)[[0, 0, 5, 5]])
    more = prototypes_array(images, np.eye(9)[[0, 1, 2, 3]])
    assert few.shape[0] < more.shape[0]
