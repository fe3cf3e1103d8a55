"""One interface to k-means, on a CPU and on an accelerator."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score

from and_tf.search import kmeans


@pytest.fixture
def blobs(rng):
    """float32 [300, 6] around six corners, and which."""
    labels = np.arange(300) % 6
    rows = 5 * np.eye(6)[labels] + 0.4 * rng.normal(size=(300, 6))
    return rows.astype(np.float32), labels


def test_both_find_the_blobs(blobs, where):
    rows, labels = blobs
    found = kmeans.fit(rows, 6, seed=0, restarts=3)
    assert adjusted_rand_score(labels, found.assigned) == 1
    means = np.stack([rows[found.assigned == c].mean(0) for c in range(6)])
    np.testing.assert_allclose(found.centres, means, atol=1e-5)
    apart = rows - means[found.assigned]
    assert found.inertia == pytest.approx((apart**2).sum(), rel=1e-5)
    distances = kmeans.distances(rows, found.centres)
    assert distances.shape == (300, 6)
    np.testing.assert_array_equal(distances.argmin(1), found.assigned)
    assert (found.centres.dtype, found.assigned.dtype) == (
        np.float32,
        np.int64,
    )


@pytest.mark.parametrize("as_tensor", [False, True])
def test_both_find_many(blobs, where, as_tensor):
    rows, labels = blobs
    assigned = kmeans.fit_large(
        tf.constant(rows) if as_tensor else rows,
        6,
        seed=(1, 2),
        batch=100,
        passes=20,
    )
    assert assigned.dtype == np.int64
    # One start may leave two blobs together.
    assert adjusted_rand_score(labels, assigned) > 0.7


def test_on_a_cpu_they_are_scikit_learns(rng):
    rows = rng.normal(size=(200, 5)).astype(np.float32)
    model = KMeans(7, n_init=2, random_state=3).fit(rows)
    found = kmeans.fit(rows, 7, seed=3, restarts=2)
    np.testing.assert_array_equal(found.assigned, model.labels_)
    np.testing.assert_array_equal(
        kmeans.distances(rows[:9], found.centres), model.transform(rows[:9])
    )
    batches = MiniBatchKMeans(
        7,
        batch_size=50,
        max_iter=4,
        n_init=1,
        random_state=np.random.RandomState((3, 1)),
    )
    np.testing.assert_array_equal(
        kmeans.fit_large(rows, 7, seed=(3, 1), batch=50, passes=4),
        batches.fit_predict(rows),
    )
