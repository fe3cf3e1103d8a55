"""Which answers are sure, and when there are no more of them."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.data.split import in_memory
from and_tf.scan import stopping
from and_tf.scan.validation import Assessment


@pytest.fixture
def found():
    """Six answers, of which four are sure; clusters 0 and 1."""
    first = np.array([0.95, 0.95, 0.92, 0.6, 0.04, 0.5])
    probabilities = np.stack([first, 1 - first], axis=1)
    return Assessment(np.zeros(1), 0, probabilities)


def split(labels):
    images = np.zeros((6, 2, 2, 3), np.uint8)
    return in_memory("six", images, labels and np.array(labels))


def test_accuracy_is_of_sure_answers(found):
    assert stopping.confident(found, 0.9).sum() == 4
    labels = [1, 1, 0, 0, 0, -1]  # Cluster 0 is matched with class 1.
    assert stopping.accuracy(found, 0.9, split(labels), 2) == 0.75
    assert stopping.accuracy(found, 0.99, split(labels), 2) is None
    assert stopping.accuracy(found, 0.9, split(None), 2) is None


@pytest.mark.parametrize(
    ("shares", "patience", "ends"),
    [
        ([0.1, 0.2, 0.3, 0.4], 2, False),
        ([0.1, 0.4, 0.3, 0.4004], 2, True),
        ([0.1, 0.4, 0.3, 0.402], 2, False),
        ([0.0, 0.0, 0.0], 2, True),
        ([0.4, 0.3], 2, False),
        ([0.4] * 9, 0, False),
    ],
)
def test_settles_where_the_share_no_longer_grows(shares, patience, ends):
    assert stopping.settled(shares, patience) == ends


def test_shares_are_those_of_self_labelling():
    history = [
        {"epoch": 0}, {"epoch": 1, "stage": "self_labelling", "confident": 0.5}
    ]  # fmt: skip
    assert stopping.shares(history) == [0.5]
