"""What a search by groups holds, and what it must not miss."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.search import grouped as module
from tests.conftest import tensor_sizes, unit


def test_neighbours_that_share_a_group(rng):
    """All of the nearest in one group, and the query itself among them."""
    rows = unit(rng.normal(size=(1024, 16))).astype(np.float32)
    stride = module.BLOCK // module.GROUP
    rows[3::stride] = unit(rows[3] + 0.01 * rng.normal(size=(16, 16)))
    rows = tf.constant(rows)
    _, index = module.search(rows, np.arange(1024), rows, 15, None)
    np.testing.assert_array_equal(
        np.sort(index[3]), np.arange(3 + stride, 1024, stride)
    )


def test_never_holds_all_similarities():
    """The largest tensor of a sweep over 8,192 rows, from its graph."""
    rows, queries, dim = 8192, 256, 4
    function = module._sweep.get_concrete_function(
        *(
            tf.TensorSpec(shape)
            for shape in ([queries, dim], [rows, dim], [rows], [])
        )
    )
    sizes = tensor_sizes(function)
    assert queries * module.BLOCK in sizes
    assert max(sizes) <= queries * max(module.BLOCK, rows // module.GROUP)
