"""The k highest of blocks, against sorting everything in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.search import reservoir as module
from and_tf.search.reservoir import Reservoir, many_reach, rank_in_sample


def fed(similarity, k, step, axis, group=4, bounds=None):
    """A reservoir that was given `step` rows of [Q, N] at a time."""
    if bounds is None:
        bounds = np.full(len(similarity), -np.inf)
    found = Reservoir(bounds, k)
    for first in range(0, similarity.shape[1], step):
        block = similarity[:, first : first + step]
        count = group if block.shape[1] % group == 0 else 1
        maxima = block.reshape(len(block), count, -1).max(1)
        if axis == 1:
            block, maxima = block.T, maxima.T
        found.add(
            np.ascontiguousarray(block),
            np.ascontiguousarray(maxima),
            first,
            axis,
        )
    return found


def check(found, similarity, k):
    values, index = found.best(k)
    np.testing.assert_array_equal(values, -np.sort(-similarity, 1)[:, :k])
    np.testing.assert_array_equal(
        np.take_along_axis(similarity, index, 1), values
    )
    assert all(len(set(row)) == k for row in index.tolist())


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("cost", [0, 10**6])
@pytest.mark.parametrize(
    ("rows", "k", "step"),
    [(1, 1, 8), (100, 1, 30), (100, 100, 30), (1000, 7, 64), (1000, 150, 128)],
)
def test_equals_sorting(rng, monkeypatch, axis, cost, rows, k, step):
    monkeypatch.setattr(module, "SCATTERED_COST", cost)
    similarity = rng.normal(size=(33, rows)).astype(np.float32)
    check(fed(similarity, k, step, axis), similarity, k)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("k", [1, 5, 90])
def test_rows_in_order_and_equals(axis, k):
    """More than there is room for reaches the bound, in each block."""
    rising = np.arange(2000, dtype=np.float32)
    some = np.repeat(np.arange(20, dtype=np.float32), 100)
    similarity = np.stack([rising, -rising, some, 0 * rising, -some])
    check(fed(similarity, k, 500, axis), similarity, k)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("cost", [0, 10**6])
def test_some_of_the_queries_of_a_block(rng, monkeypatch, axis, cost):
    monkeypatch.setattr(module, "SCATTERED_COST", cost)
    similarity = rng.normal(size=(30, 120)).astype(np.float32)
    maxima = similarity.reshape(30, 4, -1).max(1)
    if axis == 1:
        similarity, maxima = (
            np.ascontiguousarray(x.T) for x in (similarity, maxima)
        )
    found = Reservoir(np.full(7, -np.inf), 3, offset=11)
    found.add(similarity, maxima, 0, axis)
    some = similarity[11:18] if axis == 0 else similarity.T[11:18]
    check(found, some, 3)


def test_what_is_no_number_reaches_no_bound(rng):
    """And is told, so that nothing is found where nothing can be."""
    block = np.full([2, 40], np.nan, np.float32)
    found = Reservoir(np.full(2, np.nan), 3)
    found.add(block, None, 0, 0)
    np.testing.assert_array_equal(found.short(), [0, 1])


def test_rows_that_are_left_out(rng):
    similarity = rng.normal(size=(5, 40)).astype(np.float32)
    without = np.array([0, 39, similarity[2].argmax(), 7, 7])
    values, index = fed(similarity, 4, 16, 0).best(3, without)
    similarity[np.arange(5), without] = -np.inf
    np.testing.assert_array_equal(values, -np.sort(-similarity, 1)[:, :3])
    assert (index != without[:, None]).all()


def test_takes_no_more_than_it_has_room_for(rng):
    similarity = rng.normal(size=(3, 5000)).astype(np.float32)
    found = fed(similarity, 2, 100, 0)
    assert found._values.shape == found._index.shape == (3, module.room(2))
    assert found._filled.max() <= module.room(2)


@pytest.mark.parametrize("axis", [0, 1])
def test_bounds_that_are_too_high_are_told(rng, axis):
    similarity = rng.normal(size=(40, 500)).astype(np.float32)
    highest = -np.sort(-similarity, 1)
    rank = np.arange(40) % 9  # Above the 8th highest up to rank 6.
    found = fed(similarity, 8, 100, axis, bounds=highest[np.arange(40), rank])
    np.testing.assert_array_equal(found.short(), np.flatnonzero(rank < 7))
    values, _ = found.best(8)
    expected = np.where(np.arange(8) <= rank[:, None], highest[:, :8], -np.inf)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(found.short(), np.flatnonzero(rank < 7))


@pytest.mark.parametrize("k", [1, 2, 11, 101, 900])
@pytest.mark.parametrize("size", [256, 1024])
def test_a_rank_in_a_sample_is_seldom_too_high(rng, k, size):
    """By the very draws: how many of the k highest a sample has."""
    count = 20_000
    rank = rank_in_sample(k, size, count)
    drawn = rng.hypergeometric(k - 1, count - k + 1, size, 10_000)
    assert (drawn >= rank).mean() < 0.03
    assert rank <= k
    assert rank < k * size / count + 2.5 * (k * size / count) ** 0.5 + 2


def test_maxima_are_of_no_use_where_most_groups_reach():
    assert many_reach(200, 2048, 50_000, 8)
    assert not many_reach(1, 2048, 50_000, 8)
    assert not many_reach(11, 2048, 50_000, 8)
    # Where a sample gives no bounds, they come from maxima.
    assert not many_reach(30, 30, 30, 8)


def test_a_sample_of_all_tells_exactly():
    assert [rank_in_sample(k, 30, 30) for k in (1, 6, 30)] == [1, 6, 30]
