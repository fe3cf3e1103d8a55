"""Wrong labels, against loops and against cleanlab."""

from __future__ import annotations

import numpy as np
import pytest
from cleanlab.count import get_confident_thresholds
from cleanlab.filter import find_label_issues
from scipy.special import softmax

from and_tf.evaluation import label_errors
from and_tf.evaluation.label_errors import (
    assess,
    confident_class,
    thresholds,
)
from tests.conftest import unit


def neighbours(rows, k):
    """Returns the k nearest of each row, itself included."""
    cosines = rows @ rows.T
    index = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return index, np.take_along_axis(cosines, index, 1).astype(np.float32)


def drawn(rng, count=300, classes=4):
    """Draws kinds that overlap, some of them with a wrong or no label."""
    truth = rng.integers(0, classes, count)
    noise = 0.5 * rng.normal(size=(count, classes + 2))
    rows = unit(np.eye(classes, classes + 2)[truth] + noise)
    labels = np.where(rng.random(count) < 0.2, (truth + 1) % classes, truth)
    return rows, truth, labels


def probabilities(index, similarity, labels, classes, t, groups, balanced):
    """Counts votes one by one."""
    sizes = np.bincount(labels[labels >= 0], minlength=classes)
    p = np.zeros((len(index), classes))
    for i in range(len(index)):
        for j, s in zip(index[i], similarity[i], strict=True):
            same_group = groups[i] >= 0 and groups[i] == groups[j]
            if j != i and labels[j] >= 0 and not same_group:
                weight = 1 / sizes[labels[j]] if balanced else 1
                p[i, labels[j]] += weight * np.exp(np.float64(s) / t)
    total = p.sum(1, keepdims=True)
    return p / np.where(total > 0, total, 1)


@pytest.mark.parametrize("balanced", [False, True])
def test_issues_are_those_of_cleanlab(rng, monkeypatch, balanced):
    monkeypatch.setattr(label_errors, "SLICE", 128)  # The last is shorter.
    rows, _, labels = drawn(rng)
    index, similarity = neighbours(rows, 16)
    groups = np.where(rng.random(300) < 0.5, rng.integers(0, 20, 300), -1)
    p = probabilities(index, similarity, labels, 4, 0.2, groups, balanced)
    found = assess(
        index, similarity, labels, 4, 0.2, groups=groups, balanced=balanced
    )
    np.testing.assert_array_equal(found.neighbour_label, p.argmax(1))
    np.testing.assert_allclose(found.probability, p.max(1), rtol=1e-6)
    own = p[np.arange(300), labels]
    np.testing.assert_allclose(found.label_score, own, rtol=1e-6)

    issues = find_label_issues(
        labels, p, filter_by="confident_learning", n_jobs=1
    )
    same = same_rule(p, get_confident_thresholds(labels, p))
    assert same.mean() > 0.9 and 20 < issues[same].sum() < 100
    np.testing.assert_array_equal(found.is_issue[same], issues[same])


def same_rule(p, limits):
    """Tells where cleanlab decides as its authors' equation 1 does.

    If several classes reach their thresholds, it takes the one with the
    highest probability of all classes and not of these.
    """
    reached = p >= limits - 1e-6
    best = reached[np.arange(len(p)), p.argmax(1)]
    return best | (reached.sum(1) <= 1)


def test_confident_classes_of_random_probabilities(rng):
    classes = 5
    labels = rng.integers(0, classes, 500)
    # Some classes are told apart better than others.
    sure = np.eye(classes) * np.arange(classes)
    p = softmax(sure[labels] + 1.5 * rng.normal(size=(500, classes)), axis=1)
    p[0] = [0.25, 0.35, 0, 0, 0.4]  # Class 4 has a high threshold.
    limits = thresholds(p[np.arange(500), labels], labels, classes)
    theirs = get_confident_thresholds(labels, p)
    np.testing.assert_allclose(limits, theirs, rtol=1e-12)
    found = confident_class(p, limits)
    for i in range(500):
        reached = [j for j in range(classes) if p[i, j] >= theirs[j]]
        assert found[i] == max(reached, key=lambda j: p[i, j], default=-1)
    assert (found < 0).any()
    assert found[0] == 1 and not same_rule(p, theirs)[0]


def test_wrong_labels_are_found(rng):
    truth = np.arange(200) % 4
    rows = unit(np.eye(4, 6)[truth] + 0.1 * rng.normal(size=(200, 6)))
    labels = truth.copy()
    labels[:10] = (truth[:10] + 1) % 4
    index, similarity = neighbours(rows, 20)
    found = assess(index, similarity, labels, 4, 0.1)
    assert np.flatnonzero(found.is_issue).tolist() == list(range(10))
    np.testing.assert_array_equal(found.neighbour_label, truth)
    assert found.label_score[:10].max() < found.label_score[10:].min()
    assert not assess(index, similarity, truth, 4, 0.1).is_issue.any()


def test_duplicates_do_not_confirm_each_other():
    """Rows 0 to 2 are copies with one wrong label."""
    index = np.array([[0, 1, 2, 3, 4]] * 3 + [[3, 4, 5, 0, 1]] * 3)
    similarity = np.tile(np.float32([1, 1, 1, 0.6, 0.6]), (6, 1))
    labels = np.array([0, 0, 0, 1, 1, 1])
    apart = assess(index, similarity, labels, 2, 0.1)
    assert apart.label_score[0] > 0.9 and apart.neighbour_label[0] == 0
    groups = np.array([7, 7, 7, -1, -1, -1])
    found = assess(index, similarity, labels, 2, 0.1, groups=groups)
    assert found.neighbour_label.tolist() == [1] * 6
    assert found.probability[0] == 1
    # No row but the copies has label 0, so nobody could have voted for it.
    assert np.isnan(found.label_score).tolist() == [True] * 3 + [False] * 3
    assert not found.is_issue.any()


def test_what_cannot_be_assessed():
    index = np.array([[1, 2], [0, 2], [3, -1], [-1, -1], [0, 1]])
    similarity = np.float32(
        [[0.9, 0.1], [0.9, 0.2], [0.5, 0], [0, 0], [0.3, 0]]
    )
    labels = np.array([0, 0, -1, -1, 1])
    found = assess(index, similarity, labels, 3, 1e-4)
    # Neighbours without labels do not vote; row 4 is alone with its label.
    assert found.neighbour_label.tolist() == [0, 0, -1, -1, 0]
    np.testing.assert_array_equal(found.probability, [1, 1, np.nan, np.nan, 1])
    np.testing.assert_array_equal(found.label_score, [1, 1] + [np.nan] * 3)
    assert not found.is_issue.any()
    nothing = assess(index, similarity, np.full(5, -1), 3, 0.1)
    assert np.isnan(nothing.probability).all() and not nothing.is_issue.any()


def test_balanced_votes_do_not_follow_the_frequent_class():
    index = np.array([[1, 2, 3]] + [[0, 1, 2]] * 12)
    similarity = np.ones((13, 3), np.float32)
    labels = np.array([0, 0, 1, 1] + [1] * 9)
    plain = assess(index, similarity, labels, 2, 0.1)
    assert plain.neighbour_label[0] == 1
    balanced = assess(index, similarity, labels, 2, 0.1, balanced=True)
    assert balanced.neighbour_label[0] == 0
    # One vote of 2 rows against two votes of 11.
    assert balanced.probability[0] == pytest.approx((1 / 2) / (1 / 2 + 2 / 11))
