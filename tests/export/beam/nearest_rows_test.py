"""Nearest rows by blocks: as one sort of all, in any order of the blocks."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from export.beam import nearest_rows
from export.beam.nearest_rows import Rows
from tests.conftest import unit

K = 5


def search(rows: np.ndarray, order: np.ndarray, block: int):
    """Searches for all rows among all, in blocks of an order."""
    queries = Rows(np.arange(len(rows)), rows)
    best = nearest_rows.nothing(len(rows), K)
    for start in range(0, len(rows), block):
        some = order[start : start + block]
        best = nearest_rows.improved(best, queries, Rows(some, rows[some]))
    return best


def oracle(rows: np.ndarray) -> np.ndarray:
    """Sorts all others by similarity in float64, then by number."""
    exact = rows.astype(np.float64)
    similarity = np.einsum("id,jd->ij", exact, exact)
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :K]


@pytest.fixture
def rows(rng) -> np.ndarray:
    return unit(rng.normal(size=(60, 12))).astype(np.float32)


@pytest.mark.parametrize("block", [1, 7, 60])
def test_they_are_those_of_one_sort(rows, block):
    found = search(rows, np.arange(60), block)
    np.testing.assert_array_equal(found.number, oracle(rows))
    exact = rows.astype(np.float64)
    wanted = np.take_along_axis(exact @ exact.T, found.number, axis=1)
    np.testing.assert_allclose(found.similarity, wanted, rtol=1e-14)


def test_ties_go_by_number_in_any_order_of_the_rows(rows, rng):
    rows = rows[rng.integers(0, 12, 60)]  # About five of each.
    wanted = oracle(rows)
    for block in (4, 13, 60):
        order = rng.permutation(60)
        found = search(rows, order, block)
        np.testing.assert_array_equal(found.number, wanted)


def test_rounding_of_products_does_not_choose(rng):
    """Similarities that float32 cannot tell apart are ranked all the same."""
    base = unit(rng.normal(size=300))
    rows = np.tile(base, (40, 1))
    rows[:, 0] *= 1 + np.arange(40) * 2.0**-23
    rows = rows.astype(np.float32)
    exact = rows.astype(np.float64)
    similarity = np.stack([exact @ row for row in exact])
    assert len(np.unique(similarity[0])) > len(
        np.unique((rows @ rows[0]).round(7))
    )
    for order in (np.arange(40), rng.permutation(40)):
        found = search(rows, order, 9)
        np.fill_diagonal(similarity, -np.inf)
        best = np.sort(similarity, axis=1)[:, ::-1][:, :K]
        np.testing.assert_allclose(found.similarity, best, rtol=1e-14)


def test_parts_merge_in_any_order(rows, rng):
    queries = Rows(np.arange(60), rows)
    nothing = nearest_rows.nothing(60, K)
    parts = [
        nearest_rows.improved(nothing, queries, Rows(some, rows[some]))
        for some in np.array_split(rng.permutation(60), 4)
    ]
    wanted = search(rows, np.arange(60), 60)
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        found = functools.reduce(nearest_rows.merged, [parts[i] for i in order])
        np.testing.assert_array_equal(found.number, wanted.number)
        np.testing.assert_array_equal(found.similarity, wanted.similarity)
