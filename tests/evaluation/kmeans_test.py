"""k-means: scikit-learn's own, and what is made of it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from and_tf.evaluation import kmeans
from and_tf.utils.errors import InputError


def blobs(rng, count=90, kinds=3):
    labels = np.arange(count) % kinds
    centres = 9 * np.eye(kinds, 5)
    return (centres[labels] + rng.normal(size=(count, 5))).astype(
        np.float32
    ), labels


def test_finds_what_lies_apart(rng, where):
    rows, labels = blobs(rng)
    asked, truth = blobs(rng, 30)
    (part,) = kmeans.partitions(rows, asked, 3, seeds=1)
    assert kmeans.score(part, truth, 3, 3).acc == 1
    assert len(part.train) == 90
    np.testing.assert_array_equal(part.distances.argmin(1), part.asked)
    # Noise around centres, of five dimensions.
    assert part.distances.min(1).mean() == pytest.approx(5**0.5, rel=0.2)


def test_is_scikit_learns(rng):
    rows = rng.normal(size=(80, 4)).astype(np.float32)
    parts = list(kmeans.partitions(rows, None, 6, seeds=2))
    for seed, part in enumerate(parts):
        oracle = KMeans(6, n_init=kmeans.RESTARTS, random_state=seed).fit(rows)
        np.testing.assert_array_equal(part.asked, oracle.labels_)
        np.testing.assert_array_equal(part.asked, part.train)


def test_deviations_are_those_of_a_sample(rng):
    rows, labels = rng.normal(size=(80, 4)), rng.integers(0, 7, 80)
    scores = [
        kmeans.score(part, labels, 7, 7)
        for part in kmeans.partitions(rows, None, 7, seeds=3)
    ]
    table = kmeans.over_seeds(scores)
    values = [s.nmi for s in scores]
    assert table["nmi"] == pytest.approx(np.mean(values))
    assert table["nmi_std"] == pytest.approx(np.std(values, ddof=1))
    alone = kmeans.over_seeds(scores[:1])
    assert (alone["acc_top5"], alone["acc_std"]) == (scores[0].acc_top5, None)


@pytest.mark.parametrize("clusters", [1, 11])
def test_refuses_impossible_numbers(rng, clusters):
    rows = rng.normal(size=(10, 4))
    with pytest.raises(InputError, match=f"2 to 10.*Received: {clusters}"):
        next(kmeans.partitions(rows, None, clusters, seeds=1))
