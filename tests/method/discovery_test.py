"""Discovery and selection, against the authors' values and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.method.discovery import (
    consistency,
    discover,
    lowest,
    share_of_anchors,
)
from and_tf.utils.errors import InputError
from tests.conftest import unit


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("round_number", [1, 2, 3, 4])
def test_reproduces_the_authors_discovery(golden, k, round_number):
    g = golden(f"discovery_k{k}")
    found = discover(
        g["memory"],
        round_number=round_number,
        rounds=4,
        neighbourhood_size=k,
        temperature=float(g["temperature"]),
    )
    np.testing.assert_allclose(found.entropy, g["entropy"], atol=1e-5)
    anchors = g[f"round{round_number}_anchors"]
    np.testing.assert_array_equal(
        np.flatnonzero(found.is_anchor), np.sort(anchors)
    )
    np.testing.assert_array_equal(
        found.neighbours[anchors], g[f"round{round_number}_neighbours"]
    )
    np.testing.assert_allclose(
        consistency(found.neighbours, g["labels"])[anchors].mean(),
        g[f"round{round_number}_consistency"],
        atol=1e-5,
    )


def test_selects_the_certain_half(rng):
    """Samples in an empty part of space have less entropy than a crowd."""
    apart = np.eye(8, dtype=np.float32)
    crowd = unit(np.ones(8) + 0.01 * rng.normal(size=(8, 8)))
    rows = np.concatenate([crowd, apart]).astype(np.float32)
    found = discover(rows, round_number=1, rounds=2)
    np.testing.assert_array_equal(found.is_anchor, np.arange(16) >= 8)
    assert (found.neighbours[:8] < 8).all()


@pytest.mark.parametrize(
    ("selection", "counts"),
    [
        ("curriculum", [2, 5, 7, 10]),
        ("one_off", [10] * 4),
        ("clusters", [10] * 4),
        ("none", [0] * 4),
    ],
)
def test_number_of_anchors(selection, counts):
    received = [share_of_anchors(10, r, 4, selection) for r in (1, 2, 3, 4)]
    assert received == counts


def test_searched_in_cells_it_says_how_many_neighbours_it_found(rng):
    rows = unit(rng.normal(size=(200, 8))).astype(np.float32)
    shared = {"round_number": 1, "rounds": 2}
    exact = discover(rows, **shared)
    few, all_cells = (
        discover(rows, search_probes=probes, **shared) for probes in (1, 999)
    )
    assert exact.recall is None
    same = (few.neighbours == exact.neighbours).mean()
    assert few.recall == pytest.approx(same) and same < 1
    assert all_cells.recall == 1
    np.testing.assert_array_equal(all_cells.is_anchor, exact.is_anchor)


def test_equal_entropies_go_by_number():
    np.testing.assert_array_equal(
        lowest(np.float32([1, 0, 1, 0, 1]), 3), [True, True, False, True, False]
    )


def test_consistency_leaves_out_what_has_no_label():
    labels = np.array([0, 0, 1, -1])
    neighbours = np.array([[1, 2], [0, 3], [3, 3], [0, 1]])
    np.testing.assert_array_equal(
        consistency(neighbours, labels), np.float32([0.5, 1, np.nan, np.nan])
    )


def test_refuses_a_round_or_selection_out_of_range():
    rows = np.eye(4, dtype=np.float32)
    with pytest.raises(InputError, match="from 1 to 4. Received: 5"):
        discover(rows, round_number=5, rounds=4)
    with pytest.raises(InputError, match="Received: 'best'"):
        discover(rows, round_number=1, rounds=4, selection="best")
