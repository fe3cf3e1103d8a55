"""Assigns blocks of rows to centres, in the functions that `lloyd` compiles.

Sums are products with the one-hot matrix of assignments, because scattered
additions have no fixed order on a GPU, so that their sums would vary.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from and_tf.search import device


def block_rows(num_rows: int, clusters: int, dimension: int) -> int:
    """Returns the number of rows of a block.

    For each row, a block holds the row itself, its products with the centres,
    and its line of the one-hot matrix.

    Args:
        num_rows: N, the number of rows.
        clusters: C, the number of centres.
        dimension: D, the length of a row.
    """
    return device.rows_at_a_time(
        num_rows,
        4 * (dimension + 2 * clusters),
        device.budget(device.current()),
    )


@functools.cache
def compiled(function: Callable, step: int, shape: tuple[int, int]) -> Callable:
    """Traces one of the functions of this file, once for each shape.

    Call the result only within `full_precision`: XLA keeps the compiled code,
    with the precision that was allowed at the first call.

    Args:
        function: `visit`, `move` or `distances`.
        step: The number of rows of a block.
        shape: (C, D), the shape of the centres.
    """
    block = tf.TensorSpec([step, shape[1]], tf.float32)
    counted = tf.TensorSpec([step], tf.float32)
    centres = tf.TensorSpec(shape, tf.float32)
    counts = tf.TensorSpec([shape[0]], tf.float32)
    specs = {
        visit: (block, counted, centres, centres, counts),
        move: (centres, counts, centres),
        distances: (block, centres),
    }[function]
    return tf.function(
        function, autograph=False, jit_compile=True
    ).get_concrete_function(*specs)


def visit(
    block: tf.Tensor,
    counted: tf.Tensor,
    centres: tf.Tensor,
    sums: tf.Tensor,
    counts: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """Assigns a block's rows to centres, and adds them to the sums.

    Args:
        block: float32 [b, D], the rows.
        counted: float32 [b], 1 for a row, 0 for padding.
        centres: float32 [C, D], the centres of the clusters.
        sums: float32 [C, D], the sums over earlier blocks.
        counts: float32 [C], the numbers of rows in earlier blocks; exact below
            2^24 rows per cluster.

    Returns:
        The new sums and counts; the nearest centre, int64 [b], the first in a
        tie; and the squared distance from it, float32 [b], 0 for padding.
    """
    own = tf.reduce_sum(centres * centres, axis=1)
    # Squared distances without the row's own square, which does not matter for
    # the minimum.
    score = own - 2 * tf.matmul(block, centres, transpose_b=True)  # [b, C]
    nearest = tf.argmin(score, axis=1, output_type=tf.int32)
    square = tf.reduce_sum(block * block, axis=1)
    squared = tf.maximum(square + tf.reduce_min(score, axis=1), 0.0) * counted
    one_hot = tf.where(
        nearest[:, None] == tf.range(centres.shape[0]), counted[:, None], 0.0
    )
    return (
        sums + tf.matmul(one_hot, block, transpose_a=True),
        counts + tf.reduce_sum(one_hot, axis=0),
        tf.cast(nearest, tf.int64),
        squared,
    )


def move(
    sums: tf.Tensor, counts: tf.Tensor, centres: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Moves centres to the means of their rows; without rows they stay.

    Args:
        sums: float32 [C, D], the sums of each centre's rows.
        counts: float32 [C], the number of each centre's rows.
        centres: float32 [C, D], the centres before.

    Returns:
        The new centres, float32 [C, D]; and float32 [2], the sum of the
        squared moves and the number of clusters without rows.
    """
    some = counts > 0
    means = sums / tf.where(some, counts, 1.0)[:, None]
    moved = tf.where(some[:, None], means, centres)
    empty = tf.reduce_sum(tf.where(some, 0.0, 1.0))
    return moved, tf.stack([tf.reduce_sum((moved - centres) ** 2), empty])


def distances(block: tf.Tensor, centres: tf.Tensor) -> tf.Tensor:
    """Returns the distances of rows [b, D] from centres, float32 [b, C]."""
    products = tf.matmul(block, centres, transpose_b=True)
    rows = tf.reduce_sum(block * block, axis=1, keepdims=True)
    own = tf.reduce_sum(centres * centres, axis=1)
    return tf.sqrt(tf.maximum(rows + own - 2 * products, 0.0))
