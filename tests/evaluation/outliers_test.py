"""Scores of isolation, against closed forms and sets without outliers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm

from and_tf.evaluation.outliers import (
    FEWEST,
    is_outlier,
    isolation_by_entropy,
    scores,
)
from tests.conftest import unit


def quantiles(count):
    """Returns a normal sample without chance, float64 [count]."""
    return norm.ppf((np.arange(count) + 0.5) / count)


def nearest_distances(rows, k=5):
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    return 1 - np.sort(cosines, axis=1)[:, -k:].mean(1)


@pytest.mark.parametrize("power", [0, 0.5, 1])
def test_scores_follow_from_normal_deviates(power):
    """Any power of normal deviates gives them back, and so their z-values."""
    z = np.append(quantiles(2001), [3, 4, 6])
    values = 0.4 * (
        np.exp(0.1 * z) if power == 0 else (1 + power * 0.1 * z) ** (1 / power)
    )
    limit = norm.isf(0.02 / len(z))
    expected = np.maximum(z, 0) / (np.maximum(z, 0) + limit)
    found = scores(values)
    np.testing.assert_allclose(found, expected, atol=0.004)
    np.testing.assert_array_equal(is_outlier(found), z > limit)


@pytest.mark.parametrize("count", [20, 200, 2000])
def test_sets_without_outliers_have_hardly_any(rng, count):
    sets = np.exp(0.2 * rng.normal(size=(200, count)))
    some = [is_outlier(scores(values)).any() for values in sets]
    assert np.mean(some) < 0.08  # Binomial noise included.


@pytest.mark.parametrize("dimensions", [8, 256])
def test_strangers_among_kinds_are_outliers(rng, dimensions):
    """The kinds are of different densities."""
    centres = 3 * unit(rng.normal(size=(4, dimensions)))
    spread = np.array([0.05, 0.1, 0.2, 0.4]) / dimensions**0.5
    kinds = np.arange(400) % 4
    noise = rng.normal(size=(400, dimensions))
    rows = unit(centres[kinds] + 3 * spread[kinds, None] * noise)
    assert not is_outlier(scores(nearest_distances(rows))).any()
    strangers = -unit(centres[:2].copy())
    strangers[1] = unit(rng.normal(size=dimensions))
    found = scores(nearest_distances(np.concatenate([rows, strangers])))
    assert set(np.argsort(found)[-2:]) == {400, 401}


def test_a_tenth_that_lies_far_away_is_a_kind_of_its_own():
    near = np.exp(0.1 * quantiles(90))
    few = is_outlier(scores(np.append(near, [3] * 5)))
    assert few[90:].all() and not few[:90].any()
    assert not is_outlier(scores(np.append(near, [3] * 12))).any()


def test_a_hairs_breadth_makes_no_outlier():
    values = 0.3 + 1e-5 * quantiles(100)
    values[7] = 0.31
    assert not is_outlier(scores(values)).any()
    values[7] = 0.35
    assert np.flatnonzero(is_outlier(scores(values))).tolist() == [7]
    assert not scores(np.full(50, 0.2)).any()


def test_units_do_not_matter(rng):
    values = rng.gamma(3, size=300)
    np.testing.assert_allclose(scores(1e-3 * values), scores(values), rtol=1e-5)


def test_copies_and_unknown_rows_do_not_count(rng):
    values = np.exp(0.2 * rng.normal(size=100))
    more = np.concatenate([values, np.zeros(500), [np.nan] * 3])
    found = scores(more)
    np.testing.assert_array_equal(found[:100], scores(values))
    assert not found[100:600].any() and np.isnan(found[600:]).all()
    assert not is_outlier(found)[100:].any()


def test_few_rows_have_no_spread():
    assert not scores(np.array([0.1] * (FEWEST - 2) + [0.9])).any()
    assert np.isnan(scores(np.array([np.nan, 0.3]))).tolist() == [True, False]
    assert scores(np.zeros(0)).shape == (0,)


def test_an_isolated_row_has_a_low_entropy(rng):
    rows = unit(rng.normal(size=(60, 8)) * 0.3 + np.eye(8)[0])
    rows[5] = -rows[5]
    p = softmax(rows @ rows.T / 0.1, axis=1)
    isolation = isolation_by_entropy(-(p * np.log(p)).sum(1))
    assert isolation.argmax() == 5
    assert 0 < isolation.min() and isolation.max() <= 1
    np.testing.assert_allclose(isolation_by_entropy(np.log([1, 4])), [1, 0.25])
