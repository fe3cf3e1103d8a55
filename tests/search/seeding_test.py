"""k-means++: which rows are drawn, and how often."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.cluster import kmeans_plusplus

from and_tf.search import seeding


def potential(rows, centres):
    apart = rows[:, None] - np.asarray(centres)[None]
    return (apart**2).sum(-1).min(1).sum()


def test_each_far_blob_has_a_centre(rng):
    corners = 100 * np.eye(8)
    rows = (corners[np.arange(400) % 8] + rng.normal(size=(400, 8))).astype(
        np.float32
    )
    centres = seeding.first_centres(tf.constant(rows), 8, rng).numpy()
    assert set(centres.argmax(1)) == set(range(8))
    for centre in centres:
        assert (rows == centre).all(1).any()


def test_is_as_good_as_scikit_learns(rng):
    """Mean potentials of twenty starts each, within a tenth."""
    rows = rng.normal(size=(500, 3)).astype(np.float32)
    mine = [
        potential(rows, seeding.first_centres(tf.constant(rows), 12, rng))
        for _ in range(20)
    ]
    theirs = [
        potential(rows, kmeans_plusplus(rows, 12, random_state=i)[0])
        for i in range(20)
    ]
    assert np.mean(mine) == pytest.approx(np.mean(theirs), rel=0.1)


def test_rows_are_drawn_as_their_potentials_say():
    """Of evenly spaced draws, each row has its share; parts are of 1,024."""
    potentials = np.zeros(3000, np.float32)
    potentials[[5, 1023, 1024, 2999]] = 1, 2, 3, 4
    draws = ((np.arange(1000) + 0.5) / 1000).astype(np.float32)
    drawn = seeding._drawn(tf.constant(potentials), tf.constant(draws))
    rows, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(rows, [5, 1023, 1024, 2999])
    np.testing.assert_allclose(counts, [100, 200, 300, 400], atol=1)


@pytest.mark.parametrize("draw", [0.0, 1.0 - 2**-24])
def test_the_ends_are_rows_with_a_potential(draw):
    potentials = tf.constant([0.0, 0.1, 0.7, 0.0])
    drawn = int(seeding._drawn(potentials, tf.constant([draw]))[0])
    assert drawn == (1 if draw == 0 else 2)


def test_without_any_potential_a_row_is_drawn():
    drawn = seeding._drawn(tf.zeros([1500]), tf.constant([0.0, 0.9]))
    assert ((drawn.numpy() >= 0) & (drawn.numpy() < 1500)).all()
