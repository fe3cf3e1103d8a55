"""Mined neighbours, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from and_tf.data.split import in_memory
from and_tf.scan import mining
from and_tf.utils.errors import InputError
from tests.conftest import unit


def split(labels):
    return in_memory(
        "few", np.zeros((len(labels), 8, 8, 3), np.uint8), np.array(labels)
    )


def test_is_scikit_learns(rng):
    train, test = unit(rng.normal(size=(60, 5))), unit(rng.normal(size=(9, 5)))
    found = mining.mine(train, test, 7)
    for rows, received in ((train, found.train), (test, found.evaluation)):
        oracle = NearestNeighbors(n_neighbors=7, metric="cosine").fit(rows)
        # Without queries, scikit-learn leaves each row itself out.
        expected = oracle.kneighbors(return_distance=False)
        np.testing.assert_array_equal(received, expected)


def test_a_small_evaluation_split_has_as_many_as_there_are(rng):
    train, test = unit(rng.normal(size=(30, 5))), unit(rng.normal(size=(4, 5)))
    assert mining.mine(train, test, 8).evaluation.shape == (4, 3)
    alone = mining.mine(train, None, 8)
    np.testing.assert_array_equal(alone.train, alone.evaluation)


def test_agreement_leaves_the_unlabelled_out():
    neighbours = np.array([[1, 2], [0, 3], [0, 1], [1, 2]])
    assert mining.agreement(neighbours, np.array([0, 0, 1, -1])) == 2 / 5
    assert mining.agreement(neighbours, np.full(4, -1)) is None
    assert mining.agreement(neighbours, None) is None


def test_the_oracle_keeps_neighbours_of_the_same_label():
    neighbours = np.array(
        [[1, 2, 3], [0, 3, 2], [0, 1, 4], [1, 2, 0], [2, 0, 1]], np.int32
    )
    labels = np.array([0, 0, 1, 0, -1])
    np.testing.assert_array_equal(
        mining.without_false(neighbours, labels),
        [[1, 3, 1], [0, 3, 0], [2, 2, 2], [1, 0, 1], [4, 4, 4]],
    )


def test_the_oracle_pairs_nothing_false(rng):
    labels = rng.integers(-1, 4, 200)
    mined = mining.mine(unit(rng.normal(size=(200, 8))), None, 20)
    kept = mining.without_false(mined.train, labels)
    assert kept.dtype == np.int32 and kept.shape == (200, 20)
    for place, (before, after) in enumerate(zip(mined.train, kept)):
        true = set(before[labels[before] == labels[place]])
        if labels[place] < 0 or not true:
            assert set(after) == {place}
        else:
            counts = np.unique(after, return_counts=True)[1]
            assert set(after) == true and np.ptp(counts) <= 1


def test_what_is_written_is_read(rng, tmp_path):
    mined = mining.mine(*(unit(rng.normal(size=(n, 4))) for n in (20, 9)), 3)
    path = tmp_path / "neighbours.npz"
    mining.write(path, mined)
    again = mining.read(path, 20, 9)
    np.testing.assert_array_equal(again.train, mined.train)
    np.testing.assert_array_equal(again.evaluation, mined.evaluation)
    with pytest.raises(InputError, match="belongs to other data"):
        mining.read(path, 21, 9)
    path.write_bytes(b"PK no archive")
    with pytest.raises(InputError, match="cannot be read"):
        mining.read(path, 20, 9)
