"""Symmetric and other searches in blocks, against each other."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.search import blockwise as module
from and_tf.search.nearest import nearest
from tests.conftest import unit
from tests.search.nearest_test import check


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 128)
    monkeypatch.setattr(module, "QUERIES", 50)
    monkeypatch.setattr(module, "ROWS", 96)
    monkeypatch.setattr(module, "SAMPLE", 32)


@pytest.mark.parametrize("num", [5, 128, 300, 641])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("exclude_self", [True, False])
@pytest.mark.parametrize("temperature", [None, 0.1])
def test_symmetric_as_one_sided(rng, num, k, exclude_self, temperature):
    rows = tf.constant(unit(rng.normal(size=(num, 8))), tf.float32)
    own = np.arange(num) if exclude_self else None
    both = module.search_rows(rows, k, temperature, exclude_self)
    one = module.search(rows, own, rows, k, temperature)
    assert len(both) == len(one) == (2 if temperature is None else 3)
    for mine, theirs in zip(both, one, strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
    np.testing.assert_allclose(both[0], one[0], atol=1e-6)
    assert (both[1] != one[1]).mean() < 1e-2  # Near equals may swap.
    if temperature:
        np.testing.assert_allclose(both[2], one[2], atol=1e-5)


@pytest.mark.parametrize("exclude_self", [True, False])
def test_what_was_guessed_wrong_is_searched_for_again(
    rng, monkeypatch, exclude_self
):
    """With bounds that nothing reaches, and those of half of the queries."""
    rows = unit(rng.normal(size=(300, 8))).astype(np.float32)
    for high in (np.ones(300, bool), np.arange(300) % 2 == 0):
        bounds = iter(np.where(high, np.inf, -np.inf).astype(np.float32))
        monkeypatch.setattr(
            module,
            "_bounds",
            lambda some, *_: np.array([next(bounds) for _ in some]),
        )
        found = nearest(
            rows, rows, 3, temperature=0.1, exclude_self=exclude_self
        )
        check(found, rows, rows, 3, 0.1, exclude_self)


@pytest.mark.parametrize("k", [1, 20, 299])
def test_few_are_searched_for_again(rng, monkeypatch, k):
    again = []
    before = module._corrected
    monkeypatch.setattr(
        module,
        "_corrected",
        lambda found, short, *a: (
            again.extend(short) or before(found, short, *a)
        ),
    )
    rows = unit(rng.normal(size=(300, 8))).astype(np.float32)
    # In order, as pictures lie in folders: a first block is no sample.
    rows = rows[np.argsort(rows[:, 0])]
    found = nearest(rows, rows, k, temperature=0.1, exclude_self=True)
    check(found, rows, rows, k, 0.1, True)
    assert len(again) < 30


@pytest.mark.parametrize("own", [True, False])
def test_without_maxima_where_many_rows_reach(rng, monkeypatch, own):
    """Every block is compared whole, as for the K = 200 of an evaluation."""
    taken = []
    before = module._Side.add
    monkeypatch.setattr(
        module._Side,
        "add",
        lambda self, *a: taken.append(a[-1]) or before(self, *a),
    )
    rows = unit(rng.normal(size=(700, 8))).astype(np.float32)
    queries = rows[:130]
    found = module.search(
        tf.constant(queries),
        np.arange(130) if own else None,
        tf.constant(rows),
        150,
        None,
    )
    similarity = queries @ rows.T
    if own:
        similarity[np.arange(130), np.arange(130)] = -np.inf
    np.testing.assert_allclose(
        found[0], -np.sort(-similarity, 1)[:, :150], atol=1e-6
    )
    np.testing.assert_allclose(
        np.take_along_axis(similarity, found[1], 1), found[0], atol=1e-6
    )
    assert set(taken) == {()}


def test_search_serves_both_sides_of_one_array_alone(rng, monkeypatch):
    asked = []
    before = module.search_rows
    monkeypatch.setattr(
        module, "search_rows", lambda *a: asked.append(1) or before(*a)
    )
    rows = unit(rng.normal(size=(300, 8))).astype(np.float32)
    nearest(rows, rows, 2, temperature=0.1, exclude_self=True)
    assert len(asked) == 1
    nearest(rows[:40], rows, 2, temperature=0.1)
    assert len(asked) == 1


def test_rows_of_any_length(rng):
    """Where one shift would not do for all, entropies are as exact."""
    rows = unit(rng.normal(size=(300, 8))).astype(np.float32)
    rows *= rng.uniform(0.5, 2, size=(300, 1)).astype(np.float32)
    tensor = tf.constant(rows)
    assert module.serve_both(tensor, 3, 1.0)
    assert not module.serve_both(tensor, 3, 0.05)
    for temperature in (1.0, 0.05):
        found = nearest(
            rows, rows, 3, temperature=temperature, exclude_self=True
        )
        check(found, rows, rows, 3, temperature, True)


def test_a_symmetric_search_needs_room(rng, monkeypatch):
    rows = tf.constant(unit(rng.normal(size=(300, 8))), tf.float32)
    assert module.serve_both(rows, 3, None)
    monkeypatch.setattr(module, "STATE_BYTES", 1000)
    assert not module.serve_both(rows, 3, None)


def test_what_a_worker_raises_is_raised(rng, monkeypatch):
    def fail(*_):
        raise ArithmeticError("as it would")

    monkeypatch.setattr(module.Reservoir, "add", fail)
    rows = tf.constant(unit(rng.normal(size=(300, 8))), tf.float32)
    with pytest.raises(ArithmeticError, match="as it would"):
        module.search_rows(rows, 1, None, True)
