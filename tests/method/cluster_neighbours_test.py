"""Neighbourhoods from clusters, of blobs whose members are known."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.method import cluster_neighbours
from and_tf.method.discovery import discover
from and_tf.utils.errors import InputError
from tests.conftest import unit


def blobs(rng, sizes=(40, 30, 30)):
    """Unit rows around far corners, and whose they are."""
    owners = rng.permutation(np.repeat(range(len(sizes)), sizes))
    rows = np.eye(8)[owners] + 0.05 * rng.normal(size=(len(owners), 8))
    return unit(rows).astype(np.float32), owners


def found(rows, k=4, **options):
    return discover(
        rows,
        **{
            "round_number": 1,
            "rounds": 2,
            "neighbourhood_size": k,
            "selection": "clusters",
            "clusters": 3,
            **options,
        },
    )


def test_neighbours_are_others_of_the_same_blob_each_once(rng, where):
    rows, owners = blobs(rng)
    neighbours = found(rows).neighbours
    assert (owners[neighbours] == owners[:, None]).all()
    itself = np.arange(len(rows))[:, None]
    assert (neighbours != itself).all()
    assert all(len(set(row)) == 4 for row in neighbours)
    assert found(rows).is_anchor.all()  # In the first of two rounds already.


def test_all_others_of_a_cluster_are_as_likely(rng):
    """Of a cluster of 5, four others: each drawn a quarter of the time."""
    assigned = np.repeat(np.arange(400), 5)
    nearest = np.zeros((2000, 1), np.int32)
    drawn, _ = cluster_neighbours.draw(assigned, nearest, (0, 1))
    apart = (drawn[:, 0] - np.arange(2000)) % 5
    counts = np.bincount(apart, minlength=5)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 500).max() < 100  # Over five deviations.


def test_seed_and_round_decide(rng, where):
    rows, _ = blobs(rng)
    one = found(rows)
    np.testing.assert_array_equal(one.neighbours, found(rows).neighbours)
    for other in ({"round_number": 2}, {"seed": 1}):
        assert (one.neighbours != found(rows, **other).neighbours).any()


def test_who_has_too_few_others_is_no_anchor():
    """Clusters of 1, 3 and 4 samples, of which three neighbours are asked."""
    assigned = np.array([0, 1, 1, 1, 2, 2, 2, 2])
    nearest = np.tile(np.int32([[5, 6, 7]]), (8, 1))
    neighbours, is_anchor = cluster_neighbours.draw(assigned, nearest, (0, 1))
    np.testing.assert_array_equal(is_anchor, assigned == 2)
    np.testing.assert_array_equal(neighbours[:4], nearest[:4])
    for sample in range(4, 8):
        others = {4, 5, 6, 7} - {sample}
        assert set(neighbours[sample]) == others


def test_as_many_clusters_as_deep_cluster_has_for_imagenet():
    assert cluster_neighbours.usual(1_281_167) == 10_009
    assert cluster_neighbours.usual(100) == 2


@pytest.mark.parametrize("count", [1, 101])
def test_refuses_what_cannot_be_clustered(rng, count):
    rows, _ = blobs(rng)
    with pytest.raises(InputError, match=f"from 2 to 100.*Received: {count}"):
        found(rows, clusters=count)
