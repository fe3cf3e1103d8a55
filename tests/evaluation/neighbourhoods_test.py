"""Figures of rounds, against sets and loops."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.evaluation.neighbourhoods import (
    agreement,
    anchors_kept,
    binned_consistency,
    neighbours_kept,
    neighbours_pull,
)
from and_tf.method.discovery import Neighbourhoods
from tests.conftest import unit


def drawn(rng, count=40, k=3) -> Neighbourhoods:
    neighbours = [rng.permutation(count)[:k] for _ in range(count)]
    return Neighbourhoods(
        1,
        rng.normal(size=count).astype(np.float32),
        np.array(neighbours, np.int32),
        rng.random(count) < 0.5,
    )


def test_agreement_counts_anchors_of_one_class(rng):
    found, labels = drawn(rng, k=2), rng.integers(0, 2, 40)
    labels[::7] = -1
    consistent = inconsistent = 0
    shares = []
    for i in np.flatnonzero(found.is_anchor):
        theirs = [labels[j] for j in found.neighbours[i] if labels[j] >= 0]
        if labels[i] < 0 or not theirs:
            continue
        same = [label == labels[i] for label in theirs]
        shares.append(np.mean(same))
        consistent += all(same)
        inconsistent += not all(same)
    agree = agreement(found, labels)
    assert (agree.consistent, agree.inconsistent) == (consistent, inconsistent)
    np.testing.assert_allclose(agree.consistency, np.mean(shares), rtol=1e-6)


def test_without_anchors_there_is_no_consistency(rng):
    found = drawn(rng)
    found.is_anchor[:] = False
    agree = agreement(found, rng.integers(0, 2, 40))
    assert (agree.consistent, agree.inconsistent) == (0, 0)
    assert agree.consistency is None
    assert 0 < agree.consistency_all < 1


def test_what_is_kept_of_a_round_before(rng):
    one, two = drawn(rng), drawn(rng)
    before, now = (set(np.flatnonzero(f.is_anchor)) for f in (one, two))
    assert anchors_kept(one.is_anchor, two.is_anchor) == len(
        before & now
    ) / len(before)
    shares = [
        len(set(a) & set(b)) / 3
        for a, b in zip(one.neighbours, two.neighbours, strict=True)
    ]
    np.testing.assert_allclose(
        neighbours_kept(one.neighbours, two.neighbours), np.mean(shares)
    )
    assert anchors_kept(np.zeros(40, bool), two.is_anchor) is None


def test_bins_go_by_entropy():
    """Certain samples agree here, uncertain ones do not."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = Neighbourhoods(
        1,
        np.array([5, 1, 6, 2, 7, 3, 8, 4], np.float32),
        np.array([4, 0, 4, 0, 0, 4, 0, 4], np.int32)[:, None],
        np.ones(8, bool),
    )
    np.testing.assert_array_equal(binned_consistency(found, labels, 2), [1, 0])
    np.testing.assert_array_equal(
        binned_consistency(found, labels), [1] * 4 + [0] * 4
    )
    nobody = binned_consistency(found, np.full(8, -1), 2)
    assert np.isnan(nobody).all()


def test_pull_of_neighbours_is_equation_10s(rng):
    x, rows = (
        unit(rng.normal(size=(30, 6))).astype(np.float32) for _ in range(2)
    )
    neighbours = drawn(rng, 30).neighbours
    pull = neighbours_pull(x, rows, neighbours, 0.3)
    for i in range(30):
        members = np.array([i, *neighbours[i]])
        p = np.exp(rows @ x[i] / 0.3)
        p /= p.sum()
        assert pull[i] == pytest.approx(1 - p[i] / p[members].sum(), abs=1e-6)


def test_equal_members_pull_equally():
    same = np.ones([5, 4], np.float32) / 2
    neighbours = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]] * 2)[:5]
    np.testing.assert_allclose(
        neighbours_pull(same, same, neighbours, 0.01), 0.75, rtol=1e-6
    )


def test_pull_is_finite_at_any_temperature():
    x = np.array([[1, 0], [1, 0]], np.float32)
    rows = np.array([[-1, 0], [1, 0]], np.float32)
    np.testing.assert_array_equal(
        neighbours_pull(x, rows, np.array([[1], [0]]), 1e-3), [1, 0]
    )
