"""Assigns blocks of rows to centres: what `lloyd` has compiled.

Sums are products with the one-hot matrix of assignments. Scattered additions
have no fixed order on a GPU, and so no fixed sums.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from and_tf.search import device


def block_rows(num_rows: int, clusters: int, dimension: int) -> int:
    """Returns how many rows a block has.

    Of each row it holds the numbers of itself, of its products with the
    centres, and of its line of the one-hot matrix.
    """
    return device.rows_at_a_time(
        num_rows,
        4 * (dimension + 2 * clusters),
        device.budget(device.current()),
    )


@functools.cache
def compiled(function: Callable, step: int, shape: tuple[int, int]) -> Callable:
    """Traces one of the functions of this file, once for each shape.

    Called within `full_precision` alone: XLA keeps what it compiled, with the
    precision that was allowed then.

    Args:
        function: Which.
        step: Rows of a block.
        shape: (C, D).
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
        block: float32 [b, D].
        counted: float32 [b], 1, or 0 where a row is padding.
        centres: float32 [C, D].
        sums: float32 [C, D], of the blocks before.
        counts: float32 [C], of the blocks before: whole numbers, exact below
            2^24 rows a cluster.

    Returns:
        Sums and counts; the nearest centre int64 [b], of equals the first;
        the squared distance from it float32 [b], 0 of padding.
    """
    own = tf.reduce_sum(centres * centres, axis=1)
    # Squared distances, less the row's own square, which all have.
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

    Returns:
        float32 [C, D]; float32 [2], the squares of all ways together, and how
        many clusters have no rows.
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
