"""Draws rows of a bank by the seed and the step alone."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_STRIDE = 0x1E3779B9  # Odd, so that no two parts of a step are the same.
_SHIFT, _HALF = np.int64(32), np.int64(15)  # Bits.


def draw_rows(
    seed: int | tf.Tensor, step: int | tf.Tensor, num_examples: int, count: int
) -> tf.Tensor:
    """Draws rows of a step: distinct numbers, all equally likely.

    They follow from (seed, step) alone, so that all replicas, and a run that
    was resumed, draw the same ones on any device. The rows, as a ring, are cut
    at a random place and divided into `count` parts of about N / K rows, and
    one row of each is drawn. So no two are the same and all rows are equally
    likely, without shuffling N numbers in each step.

    Args:
        seed: The run's seed.
        step: The number of the step, from 0.
        num_examples: N, the number of rows.
        count: K; if it is N or more, all rows are taken.

    Returns:
        int64 [min(K, N)], in ascending order.
    """
    if count >= num_examples:
        return tf.range(num_examples, dtype=tf.int64)
    bounds = np.arange(count + 1, dtype=np.int64) * num_examples // count
    starts, sizes = bounds[:-1], np.diff(bounds)
    # A number of 32 bits for each part, and one for the cut.
    mixed = _mixed(tf.cast(seed, tf.int64))
    mixed = _mixed(mixed + tf.cast(step, tf.int64))
    drawn = _mixed(mixed + tf.range(count + 1, dtype=tf.int64) * _STRIDE)
    cut = tf.bitwise.right_shift(drawn[-1] * num_examples, _SHIFT)
    within = tf.bitwise.right_shift(drawn[:-1] * sizes, _SHIFT)
    rows = starts + within + cut
    # A GPU has no kernel for the remainder of integers. What lies beyond the
    # end of the ring comes last in `rows`, and is the beginning of the numbers.
    beyond = rows >= num_examples
    rows = tf.where(beyond, rows - num_examples, rows)
    return tf.roll(rows, tf.reduce_sum(tf.cast(beyond, tf.int64)), axis=0)


def _mixed(numbers: tf.Tensor) -> tf.Tensor:
    """Mixes the bits of integers, so that neighbours become unrelated.

    This is the finalisation of a multiply-and-shift hash. TensorFlow's own
    stateless generators would do, but draw other numbers where XLA compiles
    the step than where it does not.

    Args:
        numbers: int64, of any shape.

    Returns:
        int64 of the same shape, 0 to 2^32 − 1.
    """
    low = tf.constant(2**32 - 1, tf.int64)
    shifted = tf.bitwise.right_shift
    found = tf.bitwise.bitwise_and(numbers, low)
    # Both factors are odd and below 2^31, so that no product overflows.
    for factor in (0x7FEB352D, 0x31848BAB):
        found = tf.bitwise.bitwise_xor(found, shifted(found, _HALF))
        found = tf.bitwise.bitwise_and(found * factor, low)
    return tf.bitwise.bitwise_xor(found, shifted(found, _HALF))
