"""TensorFloat-32 is off where neighbours are found, and as before after."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.search import blockwise
from and_tf.search.nearest import nearest
from and_tf.utils.full_precision import full_precision
from tests.conftest import unit

enabled = tf.config.experimental.tensor_float_32_execution_enabled


@pytest.fixture(params=[True, False])
def before(request):
    """What the process has chosen."""
    kept = enabled()
    tf.config.experimental.enable_tensor_float_32_execution(request.param)
    yield request.param
    tf.config.experimental.enable_tensor_float_32_execution(kept)


def test_is_off_within_and_as_before_after(before):
    with pytest.raises(KeyError), full_precision():
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
