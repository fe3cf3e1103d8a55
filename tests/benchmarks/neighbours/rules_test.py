"""What an arm's rounds find, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.neighbours.rules import Arm, discover, of_class
from tests.conftest import unit

TAU = 0.2


@pytest.fixture
def rows(rng):
    return unit(rng.normal(size=(60, 6))).astype(np.float32)


@pytest.fixture
def labels(rng):
    return rng.permutation(np.repeat(np.arange(4), 15))


def similarities(rows):
    found = rows @ rows.T
    np.fill_diagonal(found, -np.inf)
    return found


def test_similarity_selects_those_nearest_to_their_neighbours(rows, labels):
    found = discover(rows, Arm(share=0.25, size=3), 1.0, TAU, labels)
    order = np.argsort(-similarities(rows), axis=1)[:, :3]
    np.testing.assert_array_equal(found.neighbours, order)
    near = np.take_along_axis(rows @ rows.T, order, 1).mean(axis=1)
    wanted = np.sort(np.argsort(-near)[:15])
    np.testing.assert_array_equal(np.flatnonzero(found.is_anchor), wanted)
    agree = (labels[order] == labels[:, None]).mean(axis=1)
    assert found.right == pytest.approx(agree[wanted].mean())
    assert found.right_of_all == pytest.approx(agree.mean())


def test_entropy_selects_more_as_it_grows(rows):
    p = np.exp(rows @ rows.T / TAU)
    p /= p.sum(axis=1, keepdims=True)
    order = np.argsort(-(p * np.log(p)).sum(axis=1))
    arm = Arm(rule="entropy", share=0)
    for grown in (0.25, 0.5):
        found = discover(rows, arm, grown, TAU, None)
        wanted = np.sort(order[: int(60 * grown)])
        np.testing.assert_array_equal(np.flatnonzero(found.is_anchor), wanted)
        assert found.right is None


def test_labels_give_the_nearest_of_the_class(rows, labels):
    other = labels[:, None] != labels
    similarity = np.where(other, -np.inf, similarities(rows))
    wanted = np.argsort(-similarity, axis=1)[:, :2]
    np.testing.assert_array_equal(of_class(rows, labels, 2), wanted)
    arm = Arm(share=1, size=2, labels="nearest")
    found = discover(rows, arm, 1.0, TAU, labels)
    np.testing.assert_array_equal(found.neighbours, wanted)
    assert found.right == found.right_of_all == 1
    assert found.is_anchor.all()


def test_any_of_the_class_are_drawn_from_all_of_it(rows, labels):
    arm = Arm(share=1, size=5, labels="any")
    drawn = [
        discover(rows, arm, 1.0, TAU, labels, seed).neighbours
        for seed in range(40)
    ]
    for neighbours in drawn:
        assert (labels[neighbours] == labels[:, None]).all()
        assert (neighbours != np.arange(60)[:, None]).all()
        assert all(len(set(row)) == 5 for row in neighbours.tolist())
    counts = np.bincount(np.concatenate(drawn)[:, 0], minlength=60)
    assert counts.min() > 20  # 40 for each, on average.
