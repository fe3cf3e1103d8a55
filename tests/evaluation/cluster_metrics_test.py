"""Clusters held against labels: the authors' values, and counts by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, silhouette_samples

from and_tf.data.split import ImageData, in_memory
from and_tf.evaluation import cluster_metrics
from and_tf.utils.errors import InputError


def test_reproduces_the_authors_figures(golden):
    g = golden("scan")
    probabilities, labels = g["cluster_probabilities"], g["cluster_labels"]
    found = cluster_metrics.score(
        probabilities.argmax(1), labels, 10, 10, probabilities
    )
    expected = [float(g[k]) for k in ("ACC", "NMI", "ARI", "ACC_top5")]
    received = [found.acc, found.nmi, found.ari, found.acc_top5]
    np.testing.assert_allclose(received, expected, atol=1e-6)
    match = dict(g["match"].tolist())
    assert found.matching.tolist() == [match[c] for c in range(10)]


@pytest.mark.parametrize(("clusters", "classes"), [(4, 4), (5, 3), (3, 5)])
def test_no_other_matching_is_better(rng, clusters, classes):
    labels = rng.integers(0, classes, 200)
    assigned = rng.integers(0, clusters, 200)
    found = cluster_metrics.score(assigned, labels, clusters, classes)
    # What is not matched is any number that is no class.
    names = list(range(classes)) + [-1] * max(0, clusters - classes)
    best = max(
        np.mean(np.array(order)[assigned] == labels)
        for order in itertools.permutations(names, clusters)
    )
    assert found.acc == pytest.approx(best)


def test_confusion_is_scikit_learns(rng):
    labels, assigned = rng.integers(0, 6, 300), rng.integers(0, 6, 300)
    found = cluster_metrics.score(assigned, labels, 6, 6)
    expected = confusion_matrix(labels, found.matching[assigned])
    np.testing.assert_array_equal(found.confusion[:, :6], expected)
    assert not found.confusion[:, 6].any()


def test_clusters_without_a_class_stand_apart(rng):
    labels, assigned = rng.integers(0, 2, 60), rng.integers(0, 5, 60)
    found = cluster_metrics.score(assigned, labels, 5, 2)
    left_over = found.matching[assigned] < 0
    assert (found.matching < 0).sum() == 3
    assert found.confusion[:, 2].sum() == left_over.sum()
    assert found.confusion.sum() == 60


def test_unknown_labels_count_nowhere(rng):
    labels, assigned = rng.integers(0, 7, 200), rng.integers(0, 7, 200)
    scores = rng.random((200, 7))
    hidden = labels.copy()
    hidden[::3] = -1
    kept = hidden >= 0
    found = cluster_metrics.score(assigned, hidden, 7, 7, scores)
    alone = cluster_metrics.score(
        assigned[kept], labels[kept], 7, 7, scores[kept]
    )
    assert found.figures() == alone.figures()
    assert found.num_samples == kept.sum()


def test_top5_of_five_clusters_says_nothing(rng):
    labels, scores = rng.integers(0, 5, 50), rng.random((50, 5))
    found = cluster_metrics.score(scores.argmax(1), labels, 5, 5, scores)
    assert found.acc_top5 is None


def test_renamed_clusters_are_the_same(rng):
    labels, scores = rng.integers(0, 8, 300), rng.random((300, 8))
    order = rng.permutation(8)
    found, renamed = (
        cluster_metrics.score(s.argmax(1), labels, 8, 8, s)
        for s in (scores, scores[:, order])
    )
    for name, value in found.figures().items():
        assert renamed.figures()[name] == pytest.approx(value)


def test_perfect_clusters(rng):
    labels = np.arange(60) % 6
    found = cluster_metrics.score((labels + 2) % 6, labels, 6, 6)
    assert (found.acc, found.nmi, found.ari) == pytest.approx((1, 1, 1))


def test_the_majority_of_others_names_a_cluster():
    voters, votes = [0, 0, 0, 1, 2, 2], [1, 1, 0, 0, 0, -1]
    assigned, labels = [0, 1, 2, 3, 0, 0], [1, 0, 0, 0, 0, -1]
    found = cluster_metrics.majority_accuracy(
        *map(np.array, (assigned, labels, voters, votes)), 4, 2
    )
    assert found == pytest.approx(3 / 5)  # Cluster 3 has no voter.


def test_prototypes_are_the_surest_of_their_own():
    probabilities = np.array(
        [[0.6, 0.3, 0.1], [0.5, 0.45, 0.05], [0.1, 0.4, 0.5], [0.9, 0.0, 0.1]]
    )
    # Nothing has cluster 1, whatever comes close to it.
    assert cluster_metrics.prototypes(probabilities).tolist() == [3, -1, 2]


def test_refuses_without_labels():
    with pytest.raises(InputError, match="Received none among 3"):
        cluster_metrics.score(np.zeros(3, int), np.full(3, -1), 2, 2)


@pytest.mark.parametrize(
    ("labels", "names", "expected", "occurring"),
    [(None, None, 0, 0), ([0, 3, -1], None, 4, 2),
     ([0, 1, 1], ("a", "b", "c"), 3, 2), ([-1, -1, -1], None, 0, 0)],
)  # fmt: skip
def test_classes_are_counted_by_name_or_label(
    labels, names, expected, occurring
):
    split = in_memory(
        "few",
        np.zeros((3, 8, 8, 3), np.uint8),
        None if labels is None else np.array(labels),
        class_names=names,
    )
    images = ImageData("few", split, None)
    assert cluster_metrics.number_of_classes(images) == expected
    assert cluster_metrics.classes_that_occur(images) == occurring


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_silhouette_is_scikit_learns_mean(rng, metric):
    rows, assigned = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    expected = silhouette_samples(rows, assigned, metric=metric).mean()
    received = cluster_metrics.silhouette(rows, assigned, metric)
    assert received == pytest.approx(expected)
    for useless in (np.zeros(60, int), np.arange(60)):
        assert cluster_metrics.silhouette(rows, useless, metric) is None


def test_samples_are_drawn_alike_each_time():
    drawn = cluster_metrics.draw(60, 25)
    assert len(set(drawn)) == 25 and (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(cluster_metrics.draw(60, 25), drawn)
    np.testing.assert_array_equal(cluster_metrics.draw(6, 25), np.arange(6))
