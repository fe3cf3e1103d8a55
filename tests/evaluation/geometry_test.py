"""Hubness and class similarity, against counting pair by pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import skew

from and_tf.evaluation.geometry import class_similarity, hubness
from tests.conftest import unit


def test_hubness_counts_whose_neighbour_each_is(rng):
    x = unit(rng.normal(size=(200, 30)) + 0.3).astype(np.float32)
    similarity = x @ x.T
    np.fill_diagonal(similarity, -2)
    chosen = np.argsort(-similarity, axis=1)[:, :10]
    counts = np.bincount(chosen.ravel(), minlength=200)
    found = hubness(x)
    assert found.neighbours == 10
    assert found.skewness == pytest.approx(skew(counts))
    assert found.nobodys == (counts == 0).mean() > 0
    assert found.most == counts.max()


def test_two_are_each_others_neighbour():
    found = hubness(np.eye(2, dtype=np.float32))
    assert (found.neighbours, found.skewness, found.nobodys) == (1, 0.0, 0.0)


def test_class_similarity_is_the_mean_of_pairs(rng):
    x = unit(rng.normal(size=(25, 4))).astype(np.float32)
    labels = rng.integers(-1, 3, 25)
    pairs = {True: [], False: []}
    for i, j in itertools.combinations(range(25), 2):
        if labels[i] >= 0 and labels[j] >= 0:
            pairs[bool(labels[i] == labels[j])].append(x[i] @ x[j])
    np.testing.assert_allclose(
        class_similarity(x, labels),
        [np.mean(pairs[True]), np.mean(pairs[False])],
        atol=1e-6,
    )


def test_pairs_that_are_not_there_have_no_mean():
    x = np.eye(3, dtype=np.float32)
    assert class_similarity(x, np.zeros(3, int)) == (0.0, None)
    assert class_similarity(x, np.arange(3)) == (None, 0.0)
    assert class_similarity(x, np.full(3, -1)) == (None, None)
