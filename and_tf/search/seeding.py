"""Draws first centres that are far apart, by k-means++ on an accelerator.

The algorithm is scikit-learn's: that of Arthur and Vassilvitskii [1], with
several candidates for each centre, of which it keeps the best.

[1] https://theory.stanford.edu/~sergei/papers/kMeansPP-soda.pdf
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from and_tf.search.products import full_precision

PART = 1024  # The number of rows in a part, which `_drawn` draws first.


def first_centres(
    rows: tf.Tensor, clusters: int, generator: np.random.Generator
) -> tf.Tensor:
    """Draws rows as centres, in proportion to their squared distances.

    The device meanwhile needs about 12 · N · (2 + ln C) bytes for the products,
    distances and potentials of a centre's candidates. All random numbers are
    drawn on the host, so that they depend only on the generator.

    Args:
        rows: float32 [N, D], the points to cluster.
        clusters: C, the number of centres, at most N.
        generator: The source of random numbers, which is advanced.

    Returns:
        float32 [C, D], the centres.
    """
    trials = 2 + int(math.log(clusters))
    first = generator.integers(rows.shape[0])
    drawn = generator.random((clusters - 1, trials), np.float32)
    draw = _compiled(tuple(rows.shape), clusters, trials)
    with full_precision():
        return draw(rows, tf.constant(first, tf.int64), tf.constant(drawn))


@functools.cache
def _compiled(shape: tuple[int, int], clusters: int, trials: int) -> Callable:
    """Traces the function that draws all centres, once for each shape."""
    num_rows, dimension = shape

    def draw(rows: tf.Tensor, first: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        own = tf.reduce_sum(rows * rows, axis=1)  # [N]

        def distances(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            candidates = tf.gather(rows, numbers)  # [n, D]
            products = tf.matmul(candidates, rows, transpose_b=True)
            squared = own + tf.gather(own, numbers)[:, None] - 2 * products
            return candidates, tf.maximum(squared, 0.0)  # [n, D], [n, N]

        def add(
            i: tf.Tensor, centres: tf.Tensor, closest: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            numbers = _drawn(closest, tf.gather(drawn, i - 1))
            candidates, squared = distances(numbers)
            squared = tf.minimum(squared, closest)
            best = tf.argmin(tf.reduce_sum(squared, axis=1))
            centres = tf.tensor_scatter_nd_update(
                centres, [[i]], [tf.gather(candidates, best)]
            )
            return i + 1, centres, tf.gather(squared, best)

        start, closest = distances(first[None])
        centres = tf.concat(
            [start, tf.zeros([clusters - 1, dimension])], axis=0
        )
        _, centres, _ = tf.while_loop(
            lambda i, *_: i < clusters,
            add,
            (tf.constant(1), centres, closest[0]),
        )
        return centres

    function = tf.function(draw, autograph=False, jit_compile=True)
    return function.get_concrete_function(
        tf.TensorSpec([num_rows, dimension], tf.float32),
        tf.TensorSpec([], tf.int64),
        tf.TensorSpec([clusters - 1, trials], tf.float32),
    )


def _drawn(potentials: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Draws rows with probabilities in proportion to their potentials.

    This first draws a part of the rows, then a row of that part, because a
    running sum of a million numbers would lose the small ones.

    Args:
        potentials: float32 [N], at least 0.
        drawn: float32 [n], uniforms in [0, 1).

    Returns:
        int32 [n], rows whose potential is not 0, if there are any.
    """
    missing = -potentials.shape[0] % PART
    parts = tf.reshape(tf.pad(potentials, [[0, missing]]), [-1, PART])
    sums = tf.reduce_sum(parts, axis=1)
    reached = tf.cumsum(sums)
    wanted = drawn * reached[-1]
    part = _first_above(reached[None], sums[None], wanted)  # [n]
    within = tf.gather(parts, part)  # [n, PART]
    wanted -= tf.gather(reached - sums, part)
    place = _first_above(tf.cumsum(within, axis=1), within, wanted)
    return part * PART + place


def _first_above(
    reached: tf.Tensor, potentials: tf.Tensor, wanted: tf.Tensor
) -> tf.Tensor:
    """Returns the first column whose running sum exceeds `wanted`, int32 [n].

    If rounding leaves no such column, it returns the last with a potential.

    Args:
        reached: float32 [n or 1, m], the running sums, ascending.
        potentials: float32 [n or 1, m], the potentials of the columns.
        wanted: float32 [n], the sums to exceed.
    """
    columns = tf.range(potentials.shape[1])
    able = potentials > 0
    last = tf.reduce_max(tf.where(able, columns, 0), axis=1)  # [n or 1]
    above = able & (reached > wanted[:, None])
    first = tf.argmax(tf.cast(above, tf.int8), axis=1, output_type=tf.int32)
    return tf.where(tf.reduce_any(above, axis=1), first, last)
