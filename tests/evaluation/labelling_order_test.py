"""Rows worth labelling, in sets whose regions are known."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.evaluation import labelling_order
from and_tf.evaluation.labelling_order import select
from tests.conftest import unit


def kinds(rng, sizes, noise=0.05, dimensions=16):
    """Draws rows around one axis for each kind."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    axes = np.eye(dimensions)[labels]
    rows = unit(axes + noise * rng.normal(size=axes.shape))
    return rows.astype(np.float32), labels


def typical(rows, labels, kind):
    """Finds the row of a kind whose ten nearest are nearest."""
    own = np.flatnonzero(labels == kind)
    cosines = np.sort(rows[own] @ rows[own].T, axis=1)
    return own[cosines[:, -11:-1].mean(1).argmax()]


def accuracy(rows, labels, chosen):
    nearest = (rows @ rows[chosen].T).argmax(1)
    return (labels[chosen][nearest] == labels).mean()


def test_typical_rows_of_the_largest_regions_come_first(rng, where):
    sizes = [30, 60, 20, 45]
    rows, labels = kinds(rng, sizes)
    nothing = np.zeros(len(rows), bool)
    found = select(rows, nothing, 4)
    largest = np.argsort(sizes)[::-1]
    assert found.tolist() == [typical(rows, labels, k) for k in largest]
    labelled = nothing.copy()
    labelled[found[:2]] = True
    assert select(rows, labelled, 2).tolist() == found[2:].tolist()


def test_chooses_better_than_chance(rng):
    """Kinds are of different sizes, and there are strange rows."""
    rows, labels = kinds(rng, [120, 90, 60, 40, 30, 20], noise=0.2)
    strange = unit(rng.normal(size=(3, 16))).astype(np.float32)
    rows = np.concatenate([rows, strange])
    labels = np.append(labels, [6, 7, 8])
    nothing = np.zeros(len(rows), bool)
    chosen = [select(rows, nothing, 8, seed=seed) for seed in range(5)]
    drawn = [rng.choice(len(rows), 8, replace=False) for _ in range(50)]
    ours, chance = (
        np.mean([accuracy(rows, labels, which) for which in many])
        for many in (chosen, drawn)
    )
    assert ours > 0.9 and ours > chance + 0.1


def test_uncertain_rows_come_once_regions_have_labels(rng, monkeypatch):
    monkeypatch.setattr(labelling_order, "MOST_REGIONS", 3)
    rows, labels = kinds(rng, [30, 20, 12])
    labelled = np.zeros(62, bool)
    labelled[[0, 30]] = True  # One of each of the first two kinds.
    sure = rng.uniform(0.6, 1, 62)
    sure[[3, 4, 35]] = [0.51, 0.52, 0.53]
    sure[55] = 0.54
    p = np.stack([sure, 1 - sure, np.zeros(62)], 1)
    found = select(rows, labelled, 6, p)
    # A region without a label; then the lowest margins, one of each region.
    assert found[:4].tolist() == [typical(rows, labels, 2), 3, 35, 55]
    assert found[4] == 4
    p[8] = np.nan  # Nothing is less certain.
    assert select(rows, labelled, 2, p)[1] == 8


def test_without_probabilities_regions_take_turns(rng, monkeypatch):
    monkeypatch.setattr(labelling_order, "MOST_REGIONS", 2)
    rows, labels = kinds(rng, [30, 20])
    labelled = np.zeros(50, bool)
    labelled[[0, 1, 2, 30]] = True
    found = select(rows, labelled, 5)
    # 3 and 1 labels: two of the second kind, then of both in turn.
    assert labels[found].tolist() == [1, 1, 0, 1, 0]


def test_regions_of_few_rows_come_last(rng, monkeypatch):
    monkeypatch.setattr(labelling_order, "MOST_REGIONS", 3)
    rows, labels = kinds(rng, [30, 20, 3])
    for p in (None, rng.random((53, 2))):
        found = select(rows, np.zeros(53, bool), 99, p)
        assert labels[found[:2]].tolist() == [0, 1]
        assert set(found[-3:]) == {50, 51, 52}
        assert sorted(found) == list(range(53))


def test_density_may_be_known(rng):
    rows, _ = kinds(rng, [30, 20])
    isolation = np.ones(50)
    isolation[[7, 41]] = 0.5
    isolation[0] = np.nan
    found = select(rows, np.zeros(50, bool), 2, isolation=isolation)
    assert found.tolist() == [7, 41]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_small_sets(rng, count):
    rows, _ = kinds(rng, [2])
    labelled = np.array([True, False])
    p = np.ones((2, 1))
    expected = [1][:count]
    assert select(rows, labelled, count, p).tolist() == expected
    assert select(rows[1:], labelled[1:], count).tolist() == [0][:count]
    assert select(rows, ~labelled | labelled, count).size == 0


def test_a_seed_gives_the_same_rows(rng):
    rows = unit(rng.normal(size=(300, 8))).astype(np.float32)
    nothing = np.zeros(300, bool)
    one, two = (select(rows, nothing, 20, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert len(set(one.tolist())) == 20
