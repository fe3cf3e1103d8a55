"""The highest of each row by groups, against sorting whole rows."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.search import highest as module
from and_tf.search.highest import highest


def compiled(values, k, **options):
    """As it is used: within a function that XLA compiles."""
    find = tf.function(
        lambda x: highest(x, k, **options), autograph=False, jit_compile=True
    )
    return [t.numpy() for t in find(tf.constant(values))]


@pytest.fixture(autouse=True)
def groups_of_groups(monkeypatch):
    monkeypatch.setattr(module, "DIRECT", 32)


@pytest.mark.parametrize("width", [1, 20, 513, 4096, 5003])
@pytest.mark.parametrize("k", [1, 10, 200])
def test_equals_a_sort(rng, width, k):
    values = rng.normal(size=(7, width)).astype(np.float32)
    k = min(k, width)
    best, columns = compiled(values, k)
    np.testing.assert_array_equal(best, -np.sort(-values, 1)[:, :k])
    np.testing.assert_array_equal(
        np.take_along_axis(values, columns, axis=1), best
    )
    assert all(len(set(row)) == k for row in columns.tolist())


def test_all_of_the_highest_in_one_group(rng):
    values = rng.uniform(size=(3, 4096)).astype(np.float32)
    stride = 4096 // module.GROUP
    values[:, 5::stride] += 2
    _, columns = compiled(values, module.GROUP)
    expected = np.arange(5, 4096, stride)
    np.testing.assert_array_equal(np.sort(columns), np.tile(expected, (3, 1)))


def test_masked_columns_never_win(rng):
    """Though they are the highest, and fewer than k · GROUP are left."""
    values = rng.uniform(size=(4, 1000)).astype(np.float32)
    values[:, :990] += 5
    _, columns = compiled(
        values, 10, mask=lambda x, c: tf.where(c >= 990, x, -float("inf"))
    )
    np.testing.assert_array_equal(
        np.sort(columns), np.tile(np.arange(990, 1000), (4, 1))
    )


def test_equal_numbers_are_each_found_once():
    best, columns = compiled(np.zeros([2, 3000], np.float32), 50)
    assert (best == 0).all()
    assert all(len(set(row)) == 50 for row in columns.tolist())


def test_sorts_few_numbers(monkeypatch):
    """Of a row of 2^20, no more than 16 k at a time, and the last maxima."""
    sorted_widths, top_k = [], tf.math.top_k

    def noting(values, k):
        sorted_widths.append(values.shape[1])
        return top_k(values, k)

    monkeypatch.setattr(tf.math, "top_k", noting)
    tf.function(lambda x: highest(x, 10)).get_concrete_function(
        tf.TensorSpec([8, 2**20], tf.float32)
    )
    assert max(sorted_widths) <= 16 * 10 + 2**20 // 16**4
