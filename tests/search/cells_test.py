"""The approximate search, against the exact one and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.distribution.process_group import ProcessGroup
from and_tf.search import cell_index, cell_probes, cells
from and_tf.search.nearest import nearest
from and_tf.utils.errors import InputError
from tests.conftest import unit

TEMPERATURE = 0.2


@pytest.fixture
def rows(rng):
    """600 rows in clusters, of which 20 are alike."""
    middles = rng.normal(size=(30, 16))
    rows = np.repeat(middles, 20, axis=0) + rng.normal(size=(600, 16))
    return unit(rows).astype(np.float32)


def exactly(rows, k):
    return nearest(rows, rows, k, temperature=TEMPERATURE, exclude_self=True)


@pytest.mark.parametrize("k", [1, 7])
@pytest.mark.parametrize("products", [2**24, 3000])
def test_in_all_cells_it_is_exact(rows, monkeypatch, k, products):
    monkeypatch.setattr(cell_probes, "PRODUCTS", products)  # Cells in parts.
    monkeypatch.setattr(cell_index, "QUERIES", 100)
    monkeypatch.setattr(cell_index, "STATE_BYTES", 0)
    found = cells.nearest_in_cells(rows, k, 10**6, temperature=TEMPERATURE)
    wanted = exactly(rows, k)
    np.testing.assert_allclose(found.similarity, wanted.similarity, atol=1e-5)
    np.testing.assert_allclose(found.entropy, wanted.entropy, atol=1e-4)
    similarity = rows @ rows.T
    np.testing.assert_allclose(
        np.take_along_axis(similarity, found.index.astype(int), 1),
        found.similarity,
        atol=1e-5,
    )
    assert (found.index != np.arange(len(rows))[:, None]).all()
    assert all(len(set(row)) == k for row in found.index.tolist())


def test_recall_is_that_of_a_brute_force_and_grows_with_probes(rows):
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    wanted = np.argsort(-similarity, axis=1)[:, :5]
    recalls = []
    for probes in (1, 4, 16):
        found = cells.nearest_in_cells(rows, 5, probes, temperature=TEMPERATURE)
        shared = [len(set(a) & set(b)) for a, b in zip(wanted, found.index)]
        recalls.append(cells.recall(rows, found.index))
        assert recalls[-1] == pytest.approx(np.mean(shared) / 5)
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9 < recalls[-1]


def test_the_sample_estimates_both_sums_without_bias(rows, monkeypatch):
    monkeypatch.setattr(cell_index, "SAMPLE", 150)
    wanted = exactly(rows, 1).entropy
    found = [
        cells.nearest_in_cells(
            rows, 1, 2, temperature=TEMPERATURE, seed=seed
        ).entropy
        for seed in range(12)
    ]
    # Of a logarithm it is unbiased only nearly.
    errors = np.mean(found, axis=0) - wanted
    assert np.abs(found[0] - wanted).mean() < 0.2
    assert abs(errors.mean()) < 0.03
    assert np.array_equal(
        found[0],
        cells.nearest_in_cells(rows, 1, 2, temperature=TEMPERATURE).entropy,
    )


def test_rows_of_small_cells_are_searched_exactly(rng):
    # There are 31 cells of about two rows.
    rows = unit(rng.normal(size=(60, 32))).astype(np.float32)
    found = cells.nearest_in_cells(rows, 50, 1, temperature=TEMPERATURE)
    np.testing.assert_allclose(
        found.similarity, exactly(rows, 50).similarity, atol=1e-5
    )


def test_equal_rows(rng):
    rows = np.ones((50, 4), np.float32) / 2
    found = cells.nearest_in_cells(rows, 3, 1, temperature=TEMPERATURE)
    np.testing.assert_allclose(found.similarity, 1, atol=1e-6)
    np.testing.assert_allclose(found.entropy, np.log(50), atol=1e-4)
    assert (found.index != np.arange(50)[:, None]).all()
    assert 0 <= cells.recall(rows, found.index) <= 1


def test_replicas_find_the_same(rows, monkeypatch):
    monkeypatch.setattr(cells, "SHARED", 128)
    devices = tf.config.list_logical_devices("CPU")
    alone = cells.nearest_in_cells(rows, 3, 4, temperature=TEMPERATURE)
    both = cells.nearest_in_cells(
        rows,
        3,
        4,
        temperature=TEMPERATURE,
        processes=ProcessGroup(
            tf.distribute.MirroredStrategy([d.name for d in devices])
        ),
    )
    np.testing.assert_array_equal(alone.index, both.index)
    np.testing.assert_allclose(alone.entropy, both.entropy, atol=1e-5)


@pytest.mark.parametrize("state", [0, 2**29])
def test_progress_adds_up_to_the_rows(rows, monkeypatch, state):
    monkeypatch.setattr(cell_index, "STATE_BYTES", state)
    monkeypatch.setattr(cell_index, "QUERIES", 250)
    done: list[int] = []
    cells.nearest_in_cells(
        rows, 2, 3, temperature=TEMPERATURE, progress=done.append
    )
    assert sum(done) == len(rows)
    assert len(done) > 10
    assert min(done) >= 0


@pytest.mark.parametrize(
    ("k", "probes", "message"),
    [
        (600, 1, "from 1 to 599"),
        (0, 1, "from 1 to 599"),
        (1, 0, "cells to search of at least 1. Received: 0"),
    ],
)
def test_out_of_range(rows, k, probes, message):
    with pytest.raises(InputError, match=message):
        cells.nearest_in_cells(rows, k, probes, temperature=TEMPERATURE)
