"""The sweep over the bank, against a brute force in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.search import blockwise, device, grouped, highest
from and_tf.search.nearest import nearest
from and_tf.utils.errors import InputError
from tests.conftest import unit


def brute_force(queries, rows, k, temperature, exclude_self):
    similarity = queries.astype(np.float64) @ rows.astype(np.float64).T
    exact = similarity.copy()
    logits = similarity / temperature
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(p > 0, p * np.log(p), 0.0).sum(1)
    if exclude_self:
        np.fill_diagonal(similarity, -np.inf)
    return exact, -np.sort(-similarity, 1)[:, :k], entropy


def check(found, queries, rows, k, temperature, exclude_self):
    """Nearest by their exact similarities: float32 may swap near equals."""
    exact, best, entropy = brute_force(
        queries, rows, k, temperature, exclude_self
    )
    np.testing.assert_allclose(found.similarity, best, atol=1e-5)
    np.testing.assert_allclose(
        np.take_along_axis(exact, found.index.astype(int), 1), best, atol=1e-5
    )
    assert all(len(set(row)) == k for row in found.index.tolist())
    if exclude_self:
        assert (found.index != np.arange(len(queries))[:, None]).all()
    np.testing.assert_allclose(found.entropy, entropy, atol=1e-4)


@pytest.fixture(params=["blockwise", "one side", "grouped"])
def way(request, monkeypatch):
    """Each way of searching; small blocks, so that there are several."""
    monkeypatch.setattr(blockwise, "BLOCK", 512)
    monkeypatch.setattr(blockwise, "QUERIES", 100)
    monkeypatch.setattr(blockwise, "ROWS", 600)
    if request.param == "one side":
        monkeypatch.setattr(blockwise, "STATE_BYTES", 0)
    if request.param == "grouped":
        monkeypatch.setattr(device, "on_cpu", lambda: False)
        # Two or three slices of 1,500 queries, and groups of groups.
        monkeypatch.setattr(device, "UNKNOWN_BYTES", 600 * 4 * 1500)
        monkeypatch.setattr(highest, "DIRECT", 64)
        grouped._compiled.cache_clear()
    yield request.param
    grouped._compiled.cache_clear()


@pytest.mark.parametrize(
    ("num_rows", "k"),
    [(3, 1), (3, 2), (40, 5), (512, 1), (1500, 1), (1500, 200), (2049, 17)],
)
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equals_brute_force(rng, way, num_rows, k, temperature):
    rows = unit(rng.normal(size=(num_rows, 16))).astype(np.float32)
    found = nearest(rows, rows, k, temperature=temperature, exclude_self=True)
    check(found, rows, rows, k, temperature, True)


def test_queries_apart_from_rows(rng, way):
    queries = unit(rng.normal(size=(1100, 8))).astype(np.float32)
    rows = unit(rng.normal(size=(70, 8))).astype(np.float32)
    found = nearest(queries, rows, 70, temperature=0.1)
    check(found, queries, rows, 70, 0.1, False)
    without = nearest(queries, rows, 70)
    np.testing.assert_array_equal(without.index, found.index)
    assert without.entropy is None


def test_entropy_is_finite_where_probabilities_underflow(rng, way):
    rows = unit(rng.normal(size=(300, 8))).astype(np.float32)
    found = nearest(rows, rows, 1, temperature=0.001, exclude_self=True)
    assert np.isfinite(found.entropy).all()
    np.testing.assert_allclose(found.entropy.min(), 0.0, atol=1e-4)


def test_entropy_of_equal_rows_is_log_n(way):
    rows = np.tile(np.float32([[0.6, 0.8]]), (500, 1))
    found = nearest(rows, rows, 1, temperature=0.1, exclude_self=True)
    np.testing.assert_allclose(found.entropy, np.log(500), rtol=1e-5)
    assert (found.index[:, 0] != np.arange(500)).all()


@pytest.mark.parametrize("k", [0, 10])
def test_refuses_more_neighbours_than_there_are(k):
    rows = np.eye(10, dtype=np.float32)
    with pytest.raises(InputError, match="from 1 to 9.*Received: " + str(k)):
        nearest(rows, rows, k, exclude_self=True)


def test_a_row_may_be_its_own_neighbour(rng, way):
    rows = unit(rng.normal(size=(1500, 8))).astype(np.float32)
    found = nearest(rows, rows, 3, temperature=0.1)
    check(found, rows, rows, 3, 0.1, False)
    np.testing.assert_array_equal(found.index[:, 0], np.arange(1500))
    assert nearest(rows, rows, 3).entropy is None


def test_rows_that_occur_twice(rng, way):
    rows = unit(rng.normal(size=(700, 8))).astype(np.float32)
    rows = np.concatenate([rows, rows])
    found = nearest(rows, rows, 4, temperature=0.1, exclude_self=True)
    check(found, rows, rows, 4, 0.1, True)
    np.testing.assert_array_equal(
        found.index[:, 0], (np.arange(1400) + 700) % 1400
    )


def test_rows_in_order(way):
    """Every block has nearer rows than all before it."""
    angle = np.linspace(0, 1.5, 1500)
    rows = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    found = nearest(rows, rows, 20, temperature=0.1, exclude_self=True)
    check(found, rows, rows, 20, 0.1, True)
