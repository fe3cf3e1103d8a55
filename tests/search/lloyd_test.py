"""k-means as accelerators compute it, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.cluster import KMeans
from sklearn.metrics.pairwise import euclidean_distances

from and_tf.search import assignment, device, lloyd, seeding
from tests.conftest import unit


def descend(rows, centres, iterations=300):
    work = lloyd.Lloyd(tf.constant(rows), len(centres))
    return work.descend(tf.constant(centres), iterations)


def oracle(rows, centres, iterations=300):
    model = KMeans(len(centres), init=centres, n_init=1, max_iter=iterations)
    return model.fit(rows)


@pytest.fixture(params=["one block", "several blocks"])
def blocks(request, monkeypatch):
    """Blocks of all rows, or of 40."""
    if request.param == "several blocks":
        monkeypatch.setattr(device, "UNKNOWN_BYTES", 40 * 4 * (6 + 2 * 7))


@pytest.mark.parametrize("iterations", [1, 3, 300])
def test_equals_scikit_learn_from_the_same_centres(rng, blocks, iterations):
    rows = unit(rng.normal(size=(203, 6))).astype(np.float32)
    expected = oracle(rows, rows[:7], iterations)
    found = descend(rows, rows[:7], iterations)
    assert found.inertia == pytest.approx(expected.inertia_, rel=1e-5)
    np.testing.assert_allclose(
        found.centres, expected.cluster_centers_, atol=1e-5
    )
    np.testing.assert_array_equal(found.assigned, expected.labels_)


def test_an_empty_cluster_takes_what_lies_farthest(rng, blocks):
    """From a centre that no row is nearest to, as scikit-learn goes on."""
    rows = rng.normal(size=(203, 6)).astype(np.float32)
    centres = rows[:7].copy()
    centres[2], centres[5] = 50, 60
    expected = oracle(rows, centres)
    found = descend(rows, centres)
    assert found.inertia == pytest.approx(expected.inertia_, rel=1e-5)
    assert len(np.unique(found.assigned)) == 7


def test_fewer_places_than_clusters():
    rows = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    found = lloyd.fit(rows, 6, seed=0, restarts=2, iterations=20)
    assert found.inertia == pytest.approx(0, abs=1e-6)
    assert np.isfinite(found.centres).all()


def test_starts_find_what_scikit_learns_find(rng, blocks):
    """The best of three, of blobs that lie apart: there is one answer."""
    corners = 9 * np.eye(7, 6)
    rows = corners[np.arange(203) % 7] + 0.3 * rng.normal(size=(203, 6))
    rows = rows.astype(np.float32)
    expected = KMeans(7, n_init=3, random_state=0).fit(rows)
    found = lloyd.fit(rows, 7, seed=0, restarts=3, iterations=300)
    assert found.inertia == pytest.approx(expected.inertia_, rel=1e-5)
    again = lloyd.fit(rows, 7, seed=0, restarts=3, iterations=300)
    np.testing.assert_array_equal(found.assigned, again.assigned)
    np.testing.assert_array_equal(found.centres, again.centres)


def test_one_start_is_the_first_of_many(rng):
    """And the inertia is that of the centres and assignments given."""
    rows = rng.normal(size=(300, 4)).astype(np.float32) + 5
    inertias = [
        lloyd.fit(rows, 9, seed=(3, 1), restarts=n, iterations=50).inertia
        for n in (1, 4)
    ]
    assert inertias[1] <= inertias[0]
    found = lloyd.fit(rows, 9, seed=(3, 1), restarts=1, iterations=50)
    squares = euclidean_distances(rows, found.centres) ** 2
    np.testing.assert_array_equal(found.assigned, squares.argmin(1))
    assert found.inertia == pytest.approx(squares.min(1).sum(), rel=1e-4)


def test_waits_once_an_iteration_and_traces_nothing_again(
    rng, blocks, monkeypatch
):
    rows = rng.normal(size=(203, 6)).astype(np.float32)
    descend(rows, rows[:7])
    misses = assignment.compiled.cache_info().misses
    waits, before = [], lloyd.fetch

    def counting(tensor):
        waits.append(tensor.shape)
        return before(tensor)

    monkeypatch.setattr(lloyd, "fetch", counting)
    descend(rows + 1, rows[7:14], iterations=2)
    assert waits == [[2], [2], *waits[2:]]
    assert len(waits) == 4  # And what is found: clusters and distances.
    assert assignment.compiled.cache_info().misses == misses


def test_distances_are_scikit_learns(rng, blocks):
    rows = rng.normal(size=(203, 6)).astype(np.float32) + 3
    centres = rows[:7] + 0.1
    np.testing.assert_allclose(
        lloyd.distances(rows, centres),
        euclidean_distances(rows, centres),
        atol=1e-4,
    )


def test_everything_is_compiled_and_called_in_full_precision(rng, monkeypatch):
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    seen = {}

    def watch(module, name):
        before = getattr(module, name)

        def compiled(*arguments):
            function = before(*arguments)

            def call(*tensors):
                seen.setdefault((module, arguments[0]), set()).add(enabled())
                return function(*tensors)

            return call

        monkeypatch.setattr(module, name, compiled)

    watch(assignment, "compiled")
    watch(seeding, "_compiled")
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    found = lloyd.fit(rows, 3, seed=0, restarts=1, iterations=2)
    lloyd.distances(rows, found.centres)
    assert len(seen) == 4
    assert all(value == {False} for value in seen.values())
