"""What is taken from a block of products, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.search import blockwise
from and_tf.search import products as module
from and_tf.search.nearest import nearest
from tests.conftest import tensor_sizes, unit

enabled = tf.config.experimental.tensor_float_32_execution_enabled


@pytest.mark.parametrize("shape", [(64, 96), (40, 33)])
@pytest.mark.parametrize("both", [True, False])
def test_takes_maxima_and_sums_of_both_sides(rng, shape, both):
    a, b = (rng.normal(size=(rows, 4)) / 2 for rows in shape)
    found, *taken = module.visit(
        *(tf.constant(x, tf.float32) for x in (a, b)),
        tf.constant(2.0),
        tf.constant(1.0),
        both,
    )
    logits = 2 * a @ b.T - 1
    np.testing.assert_allclose(found, a @ b.T, atol=1e-6)
    assert len(taken) == (2 if both else 1)
    for axis, (maxima, total, weighted) in zip((1, 0), taken, strict=False):
        np.testing.assert_allclose(
            np.max(maxima, axis), (a @ b.T).max(axis), atol=1e-6
        )
        expected = np.exp(logits)
        for received, terms in (
            (total, expected), (weighted, expected * logits)
        ):  # fmt: skip
            np.testing.assert_allclose(
                np.sum(received, axis), terms.sum(axis), rtol=1e-4, atol=1e-5
            )


def test_without_a_scale_there_are_no_sums(rng):
    a, b = (tf.constant(rng.normal(size=(16, 4)), tf.float32) for _ in "ab")
    assert [len(of) for of in module.visit(a, b, None, None, True)[1:]] == [
        1,
        1,
    ]


def test_never_holds_more_than_a_block():
    """The largest tensor of a visit, from its graph."""
    function = module.compiled(((64, 4), (96, 4), (), ()), True)
    assert max(tensor_sizes(function)) == 64 * 96


@pytest.fixture(params=[True, False])
def before(request):
    """What the process has chosen."""
    kept = enabled()
    tf.config.experimental.enable_tensor_float_32_execution(request.param)
    yield request.param
    tf.config.experimental.enable_tensor_float_32_execution(kept)


def test_is_off_within_and_as_before_after(before):
    with pytest.raises(KeyError), module.full_precision():
        assert not enabled()
        raise KeyError
    assert enabled() == before


def test_neighbours_are_searched_without(before, rng, monkeypatch):
    seen, search = [], blockwise.search

    def watched(*arguments):
        seen.append(enabled())
        return search(*arguments)

    monkeypatch.setattr(blockwise, "search", watched)
    rows = unit(rng.normal(size=(40, 8))).astype(np.float32)
    with tf.device("CPU"):
        nearest(rows[:5], rows, 3)
    assert seen == [False]
    assert enabled() == before
