"""Which replica holds which rows, against counting them out."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.method.shards import Shards


@pytest.mark.parametrize(
    ("num_rows", "replicas"), [(12, 4), (13, 4), (15, 4), (3, 4), (5, 1)]
)
def test_every_row_has_one_place(num_rows, replicas):
    shards = Shards(num_rows, replicas)
    rows = np.arange(num_rows * 2, dtype=np.float32).reshape(num_rows, 2) + 1
    parts = [shards.split(rows, r) for r in range(replicas)]
    assert {part.shape for part in parts} == {(shards.size, 2)}
    np.testing.assert_array_equal(shards.join(parts), rows)

    sample_ids = np.random.default_rng(0).permutation(num_rows)
    seen = []
    for replica, part in enumerate(parts):
        positions, places = shards.owned(tf.constant(sample_ids), replica)
        held = sample_ids[np.asarray(positions)[:, 0]]
        np.testing.assert_array_equal(part[np.asarray(places)], rows[held])
        assert bool(shards.is_full(replica)) == (len(held) == shards.size)
        seen += held.tolist()
    assert sorted(seen) == list(range(num_rows))


def test_rows_of_a_matrix_are_found_by_two_positions():
    sample_ids = tf.constant([[0, 5, 3], [4, 1, 7]])
    positions, places = Shards(8, 2).owned(sample_ids, 1)
    np.testing.assert_array_equal(positions, [[0, 1], [0, 2], [1, 1], [1, 2]])
    np.testing.assert_array_equal(places, [2, 1, 0, 3])


@pytest.mark.parametrize("replicas", [1, 2, 3, 7, 8, 1000])
def test_rows_of_the_largest_banks_have_their_places(replicas):
    """Where float32 could no longer tell one row from the next."""
    ends = [10**6, 2**24, 2**31, 2**40, 2**44]
    sample_ids = np.concatenate([np.arange(end - 20, end) for end in ends])
    for replica in {0, 1 % replicas, replicas - 1}:
        positions, places = Shards(2**44, replicas).owned(
            tf.constant(sample_ids), replica
        )
        held = np.flatnonzero(sample_ids % replicas == replica)
        np.testing.assert_array_equal(positions[:, 0], held)
        np.testing.assert_array_equal(places, sample_ids[held] // replicas)
