"""k-means++: first centres that lie apart, drawn on an accelerator.

The algorithm is scikit-learn's, which is that of Arthur and Vassilvitskii [1]
with several candidates a centre, of which the best is kept.

[1] https://theory.stanford.edu/~sergei/papers/kMeansPP-soda.pdf
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from and_tf.utils.full_precision import full_precision

PART = 1024  # Rows whose potentials are added up before one is drawn.


def first_centres(
    rows: tf.Tensor, clusters: int, generator: np.random.Generator
) -> tf.Tensor:
    """Draws rows as centres, each with a likelihood of its squared distance.

    The device holds some 12 · N · (2 + ln C) bytes meanwhile: the products,
    distances and potentials of a centre's candidates. All random numbers are
    drawn on the host, so that they depend on the generator alone.

    Args:
        rows: float32 [N, D].
        clusters: C, at most N.
        generator: Advanced by what is drawn.

    Returns:
        float32 [C, D].
    """
    trials = 2 + int(math.log(clusters))
    first = generator.integers(rows.shape[0])
    drawn = generator.random((clusters - 1, trials), np.float32)
    draw = _compiled(tuple(rows.shape), clusters, trials)
    with full_precision():
        return draw(rows, tf.constant(first, tf.int64), tf.constant(drawn))


@functools.cache
def _compiled(shape: tuple[int, int], clusters: int, trials: int) -> Callable:
    """Traces what draws all centres, once for each shape."""
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
    """Draws rows with likelihoods of their potentials.

    A part of the rows first, then one of its rows: sums of a million numbers
    one by one would have lost the small ones.

    Args:
        potentials: float32 [N], at least 0.
        drawn: float32 [n], in [0, 1).

    Returns:
        int32 [n], rows whose potential is not 0 where there are any.
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
    """Returns the first column that exceeds what is wanted, int32 [n].

    Rounding may leave none; then it is the last with a potential.

    Args:
        reached: float32 [n or 1, m], ascending.
        potentials: float32 [n or 1, m], of the columns.
        wanted: float32 [n].
    """
    columns = tf.range(potentials.shape[1])
    able = potentials > 0
    last = tf.reduce_max(tf.where(able, columns, 0), axis=1)  # [n or 1]
    above = able & (reached > wanted[:, None])
    first = tf.argmax(tf.cast(above, tf.int8), axis=1, output_type=tf.int32)
    return tf.where(tf.reduce_any(above, axis=1), first, last)
