"""Weighted kNN, against the authors' values and votes counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from and_tf.evaluation import knn, votes
from and_tf.evaluation.knn import weighted_knn
from and_tf.search import device
from and_tf.utils.errors import InputError
from tests.conftest import unit


@pytest.mark.parametrize(("k", "t"), [(200, 0.1), (20, 0.07), (1, 0.1)])
def test_reproduces_the_authors_accuracy(golden, where, k, t):
    g = golden("knn")
    result = weighted_knn(
        g["test_features"],
        g["test_labels"],
        g["train_features"],
        g["train_labels"],
        neighbours=k,
        temperature=t,
    )
    expected = float(g[f"accuracy_k{k}_t{t}"])
    expected = expected / 100 if expected > 1 else expected
    np.testing.assert_allclose(result.top1, expected, atol=1e-5)


def count_votes(query, gallery, labels, k, t, classes):
    """Classes by their votes, all votes' shares, and the nearest in order."""
    similarity = gallery @ query
    ballots = np.zeros(classes)
    nearest = np.argsort(-similarity)[:k]
    for i in nearest:
        ballots[labels[i]] += np.exp(similarity[i] / t)
    return (
        np.argsort(-ballots, kind="stable"),
        ballots / ballots.sum(),
        nearest,
    )


def test_counts_votes(rng, where):
    gallery = unit(rng.normal(size=(90, 6)))
    labels = rng.integers(0, 9, 90)
    queries, truth = unit(rng.normal(size=(40, 6))), rng.integers(0, 9, 40)
    result = weighted_knn(
        queries, truth, gallery, labels, neighbours=15, temperature=0.2
    )
    counted = [count_votes(q, gallery, labels, 15, 0.2, 9) for q in queries]
    orders, shares, nearest = zip(*counted, strict=True)
    np.testing.assert_array_equal(result.predictions, [o[0] for o in orders])
    np.testing.assert_allclose(result.shares, np.max(shares, 1), rtol=1e-5)
    np.testing.assert_array_equal(result.nearest, np.array(nearest)[:, :5])
    assert result.top1 == np.mean([o[0] == t for o, t in zip(orders, truth)])
    assert result.top5 == np.mean([t in o[:5] for o, t in zip(orders, truth)])


def test_leave_one_out_asks_everybody_else(rng, where):
    gallery = unit(rng.normal(size=(30, 4)))
    labels = rng.integers(0, 3, 30)
    labels[4] = -1
    result = weighted_knn(
        gallery, labels, gallery, labels, neighbours=1, leave_one_out=True
    )
    similarity = gallery @ gallery.T
    np.fill_diagonal(similarity, -2)
    similarity[:, 4] = -2
    asked = labels >= 0
    nearest = labels[similarity.argmax(1)]
    assert result.top1 == (nearest == labels)[asked].mean()
    np.testing.assert_array_equal(result.numbers, np.flatnonzero(asked))
    np.testing.assert_array_equal(
        result.nearest[:, 0], similarity.argmax(1)[asked]
    )
    assert (result.neighbours, result.voters) == (1, 29)


def test_takes_all_of_a_small_gallery(rng, where):
    gallery = unit(rng.normal(size=(8, 4)))
    result = weighted_knn(gallery, np.zeros(8, int), gallery, np.zeros(8, int))
    assert (result.neighbours, result.top1) == (8, 1.0)


def test_of_five_classes_five_say_nothing(rng):
    gallery = unit(rng.normal(size=(40, 4)))
    for classes, said in ((5, False), (6, True)):
        labels = np.arange(40) % classes
        result = weighted_knn(gallery, labels, gallery, labels)
        assert (result.top5 is not None) == said


def test_a_small_temperature_leaves_the_nearest_its_vote(rng, where):
    """exp(cos / τ) is beyond float64 there."""
    gallery = unit(rng.normal(size=(40, 4)))
    labels = np.arange(40) % 8
    result = weighted_knn(gallery, labels, gallery, labels, temperature=1e-4)
    assert result.top1 == 1
    assert np.isfinite(result.shares).all()


@pytest.mark.parametrize(
    ("wanted", "leave_one_out", "expected"),
    [(3, False, 3), (9, False, 7), (9, True, 6)],
)
def test_no_more_neighbours_than_have_votes(wanted, leave_one_out, expected):
    labels = np.array([0, -1, 2, 1, 1, 0, -1, 2, 2])
    assert knn.most_neighbours(wanted, labels, leave_one_out) == expected


def test_refuses_without_labels(rng):
    gallery = unit(rng.normal(size=(8, 4)))
    with pytest.raises(InputError, match="Expected labels"):
        weighted_knn(gallery, np.full(8, -1), gallery, np.zeros(8, int))


@pytest.mark.parametrize("slice_size", [2048, 7])
def test_is_scikit_learns(rng, monkeypatch, slice_size):
    """With its votes in one slice, and in several."""
    monkeypatch.setattr(votes, "SLICE", slice_size)
    gallery, queries = (
        unit(rng.normal(size=(90, 6))),
        unit(rng.normal(size=(40, 6))),
    )
    labels, truth = rng.integers(0, 7, 90), rng.integers(0, 7, 40)
    result = weighted_knn(
        queries, truth, gallery, labels, neighbours=15, temperature=0.2
    )

    def share(k, weights):
        oracle = KNeighborsClassifier(k, weights=weights, metric="cosine")
        answers = oracle.fit(gallery, labels).predict_proba(queries)
        order = np.argsort(-answers, axis=1, kind="stable")
        return [(order[:, :n] == truth[:, None]).any(1).mean() for n in (1, 5)]

    weigh = lambda distance: np.exp((1 - distance) / 0.2)  # noqa: E731
    assert [result.top1, result.top5] == share(15, weigh)
    assert result.nearest_top1 == share(1, "uniform")[0]


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize(
    ("neighbours", "temperature"), [(1, 0.1), (10, 0.002), (200, 0.1)]
)
def test_an_accelerator_says_what_a_cpu_says(
    rng, monkeypatch, fetches, classes, neighbours, temperature
):
    """Of clustered rows and random labels, with 300 queries a slice."""
    gallery = np.eye(5, 8)[rng.integers(0, 5, 1500)]
    gallery = unit(gallery + 0.3 * rng.normal(size=gallery.shape))
    queries = unit(gallery[:700] + 0.1 * rng.normal(size=(700, 8)))
    labels, truth = rng.integers(0, classes, 1500), rng.integers(-1, 3, 700)
    options = {"neighbours": neighbours, "temperature": temperature}
    arguments = (queries, truth, gallery, labels)
    expected = weighted_knn(*arguments, **options)
    monkeypatch.setattr(device, "on_cpu", lambda: False)
    monkeypatch.setattr(device, "UNKNOWN_BYTES", 300 * 4 * 2500)
    found = weighted_knn(*arguments, **options)
    np.testing.assert_array_equal(found.predictions, expected.predictions)
    np.testing.assert_array_equal(found.nearest, expected.nearest)
    # The same votes of similarities that differ by float32's rounding.
    np.testing.assert_allclose(
        found.shares, expected.shares, rtol=1e-6 / temperature
    )
    assert (found.top5, found.nearest_top1) == (
        expected.top5,
        expected.nearest_top1,
    )
    # Whatever K: five classes and a share in 8 bytes, five rows in 4.
    first, nearest = min(5, classes), min(5, neighbours)
    assert {words for _, words in fetches} == {2 * first + 2 + nearest}
    assert len(fetches) == -(-len(found.labels) // fetches[0][0])


@pytest.mark.parametrize("classes", [4, 9])
def test_of_equal_votes_the_lower_class_has_it(where, classes):
    """All votes are alike; every class has as many of them."""
    gallery = np.tile(np.float32([[0.6, 0.8]]), (2 * classes, 1))
    labels = np.arange(2 * classes)[::-1] % classes
    result = weighted_knn(
        gallery, labels, gallery, labels, neighbours=2 * classes
    )
    assert (result.predictions == 0).all()
    np.testing.assert_allclose(result.shares, 1 / classes)
