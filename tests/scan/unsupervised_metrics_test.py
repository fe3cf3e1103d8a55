"""Measures without labels: closed forms, and where they are highest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples

from and_tf.scan import mining, unsupervised_metrics
from and_tf.scan.validation import Assessment
from tests.conftest import unit

TRUE = 5


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    """Five kinds on the unit sphere, as far from one another as can be."""
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.eye(TRUE, 8), 40, axis=0)
    return unit(kinds + 0.12 * rng.normal(size=kinds.shape)).astype("float32")


def clustered(rows: np.ndarray, clusters: int, heads: int = 3) -> Assessment:
    """As heads would that each begin elsewhere, and end in a poor optimum."""
    assigned = np.stack(
        [
            KMeans(clusters, n_init=1, init="k-means++", random_state=seed)
            .fit(rows)
            .labels_
            for seed in range(heads)
        ],
        axis=1,
    )
    return Assessment(np.zeros(heads), 0, np.eye(clusters)[assigned[:, 0]],
                      assigned)  # fmt: skip


def test_they_tell_how_many_kinds_there_are(blobs):
    sample = unsupervised_metrics.draw_sample(blobs)
    neighbours = mining.mine(blobs, None, 10).train
    found = {
        c: unsupervised_metrics.measures(
            clustered(blobs, c), neighbours, sample
        )
        for c in (2, 3, 4, 5, 7, 10, 20)
    }

    def best(name: str) -> int:
        return max(found, key=lambda c: found[c][name])

    assert best("silhouette") == TRUE
    assert best("heads_agree") == TRUE
    # All of them while kinds are whole, and far fewer once they are split.
    together = [one["neighbours_together"] for one in found.values()]
    assert together[3] == 1
    assert together[3] > together[4] + 0.05 > together[5] + 0.05
    assert found[10]["clusters_used"] == 10


def test_silhouette_is_scikit_learns_mean_over_the_sample(rng):
    rows = unit(rng.normal(size=(60, 4))).astype(np.float32)
    assigned = rng.integers(0, 3, 60)
    sample = unsupervised_metrics.draw_sample(rows, 25)
    assert len(set(sample.places)) == 25
    expected = silhouette_samples(
        rows[sample.places], assigned[sample.places], metric="cosine"
    )
    found = unsupervised_metrics.measures(
        Assessment(np.zeros(1), 0, np.eye(3)[assigned]),
        np.zeros((60, 1), int),
        sample,
    )
    assert found["silhouette"] == pytest.approx(expected.mean(), abs=1e-6)
    again = unsupervised_metrics.draw_sample(rows, 25)
    np.testing.assert_array_equal(again.places, sample.places)


def test_what_cannot_be_had_is_none():
    assert unsupervised_metrics.heads_agreement(np.zeros((6, 1), int)) is None
    found = unsupervised_metrics.measures(
        Assessment(np.zeros(1), 0, np.eye(2)[[0, 0, 1, 1, 1, 1]]),
        np.array([[1], [2], [3], [4], [5], [0]]),
        None,
    )
    assert found["silhouette"] is None
    assert found["neighbours_together"] == pytest.approx(4 / 6)
    assert found["smallest_cluster"] == pytest.approx(2 / 6)
    assert "silhouette" not in unsupervised_metrics.sentence(found)
    assert "66.7 % of neighbours together" in unsupervised_metrics.sentence(
        found
    )


def test_heads_agree_whatever_they_call_their_clusters(rng):
    one = rng.integers(0, 4, 200)
    other = rng.integers(0, 4, 200)
    assert (
        unsupervised_metrics.heads_agreement(np.stack([one, 3 - one], 1)) == 1
    )
    chance = unsupervised_metrics.heads_agreement(
        np.stack([one, other, 3 - other], 1)
    )
    assert chance == pytest.approx(1 / 3, abs=0.05)  # One pair of three.


def test_a_sample_is_kept(rng, tmp_path):
    sample = unsupervised_metrics.draw_sample(rng.normal(size=(9, 4)), 5)
    path = tmp_path / "sample.npz"
    assert unsupervised_metrics.read(path, 9) is None
    unsupervised_metrics.write(path, sample)
    again = unsupervised_metrics.read(path, 9)
    np.testing.assert_array_equal(again.places, sample.places)
    np.testing.assert_array_equal(again.features, sample.features)
    assert unsupervised_metrics.read(path, int(sample.places.max())) is None
    nothing = dataclasses.replace(sample, features=sample.features[:, :0])
    unsupervised_metrics.write(path, nothing)
    assert unsupervised_metrics.read(path, 9) is None
    path.write_bytes(b"PK no archive")
    assert unsupervised_metrics.read(path, 9) is None
