"""Groups of duplicates: their rules on random pairs, and known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from and_tf.evaluation.duplicate_groups import group


def drawn(rng, count, number):
    return rng.integers(0, count, (number, 2))


def members_of(groups):
    return [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]


def has_centre(rows, paired):
    return any(all(paired[r, o] for o in rows if o != r) for r in rows)


def test_a_chain_is_no_group():
    chain = np.array([[0, 1], [1, 2], [2, 3]])
    ends_first = group(chain, None, 5, np.array([0.9, 0.7, 0.8]))
    assert ends_first.tolist() == [0, 0, 1, 1, -1]
    middle_first = group(chain, None, 5, np.array([0.7, 0.9, 0.8]))
    assert middle_first.tolist() == [-1, 0, 0, 0, -1]


def test_a_centre_holds_a_group_together():
    star = np.array([[2, 0], [2, 1], [3, 2], [2, 4]])
    assert group(star, None, 5).tolist() == [0] * 5


def test_cliques_are_connected_components(rng):
    """Without chains there is nothing to decide."""
    kinds = rng.integers(0, 12, 60)
    pairs = np.array(
        [
            pair
            for pair in itertools.combinations(range(60), 2)
            if kinds[pair[0]] == kinds[pair[1]]
        ]
    )
    graph = coo_array((np.ones(len(pairs)), pairs.T), (60, 60))
    components = connected_components(graph)[1]
    found = group(pairs, None, 60, rng.random(len(pairs)))
    alone = np.bincount(components)[components] == 1
    np.testing.assert_array_equal(found < 0, alone)
    same = found[:, None] == found
    np.testing.assert_array_equal(
        same[~alone][:, ~alone],
        (components[:, None] == components)[~alone][:, ~alone],
    )
    # Numbered by their lowest rows.
    firsts = [rows[0] for rows in members_of(found)]
    assert firsts == sorted(firsts)


def test_rows_that_stay_apart_split_a_group_at_its_weakest_pairs():
    pairs = np.array(list(itertools.combinations(range(4), 2)))
    strength = np.array([0.9, 0.3, 0.2, 0.4, 0.1, 0.8])  # 01 and 23 are high.
    apart = np.array([[3, 1]])
    assert group(pairs, apart, 4, strength).tolist() == [0, 0, 1, 1]
    assert group(pairs[:1], pairs[:1], 2).tolist() == [-1, -1]


@pytest.mark.parametrize("number", [20, 60, 150])
def test_rules_hold_and_leave_nothing_to_merge(rng, number):
    count = 40
    pairs, apart = drawn(rng, count, number), drawn(rng, count, 15)
    apart = apart[apart[:, 0] != apart[:, 1]]
    strength = rng.random(number).round(1)
    found = group(pairs, apart, count, strength)
    paired, forbidden = np.zeros((2, count, count), bool)
    for matrix, rows in ((paired, pairs), (forbidden, apart)):
        matrix[rows[:, 0], rows[:, 1]] = True
        matrix |= matrix.T

    def allowed(rows):
        return has_centre(rows, paired) and not forbidden[rows][:, rows].any()

    groups = members_of(found)
    assert groups and all(len(rows) > 1 and allowed(rows) for rows in groups)
    groups += [np.array([row]) for row in np.flatnonzero(found < 0)]
    for one, two in itertools.combinations(groups, 2):
        assert not allowed(np.concatenate([one, two]))

    order = rng.permutation(number)
    turned = np.where(rng.random((number, 1)) < 0.5, pairs, pairs[:, ::-1])
    again = group(turned[order], apart[:, ::-1], count, strength[order])
    np.testing.assert_array_equal(again, found)


def test_rows_without_pairs_have_no_group():
    assert group(np.zeros((0, 2), np.int64), None, 3).tolist() == [-1] * 3
    assert group(np.array([[1, 1]]), np.zeros((0, 2)), 3).tolist() == [-1] * 3
    assert group(np.zeros((0, 2)), None, 0).shape == (0,)


def test_a_pair_that_is_given_twice_has_its_highest_strength():
    pairs = np.array([[0, 1], [1, 2], [2, 1], [2, 3]])
    found = group(pairs, None, 4, np.array([0.5, 0.1, 0.9, 0.4]))
    assert found.tolist() == [0, 0, 0, -1]
