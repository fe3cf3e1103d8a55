"""Computes SEED's loss, a cross-entropy of similarities, and draws its keys.

References:
    SEED, https://arxiv.org/abs/2101.04731
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_STRIDE = 0x1E3779B9  # Odd, so that no two parts of a step are the same.
_SHIFT, _HALF = np.int64(32), np.int64(15)  # Bits.
_LEFT_OUT = -1e9  # A logit whose softmax is 0; with −∞, 0 · −∞ would be NaN.


def similarity_losses(
    embeddings: tf.Tensor,
    own: tf.Tensor,
    key_rows: tf.Tensor,
    is_own: tf.Tensor,
    teacher_temperature: float,
    temperature: float,
) -> tf.Tensor:
    """Computes SEED's loss: how far two softmaxes over the keys differ.

    Besides the keys, an image's own row takes part, once. It has the largest
    similarity that there is, and so the largest share of the target.

    Args:
        embeddings: float32 [b, D], the student's, of unit norm.
        own: float32 [b, D], the teacher's rows of the same images.
        key_rows: float32 [K, D], the teacher's rows of the keys.
        is_own: bool [b, K]: whether a key is the image itself; it then does
            not count a second time.
        teacher_temperature: τ_t of the target.
        temperature: τ of the student.

    Returns:
        float32 [b], the cross-entropies in nats.
    """
    own, key_rows = tf.stop_gradient(own), tf.stop_gradient(key_rows)

    def logits(queries: tf.Tensor, tau: float) -> tf.Tensor:
        """Returns [b, K + 1]: over the keys, and last over the own row."""
        others = tf.matmul(queries, key_rows, transpose_b=True) / tau
        itself = tf.reduce_sum(queries * own, 1, keepdims=True) / tau
        return tf.concat([tf.where(is_own, _LEFT_OUT, others), itself], axis=1)

    return tf.nn.softmax_cross_entropy_with_logits(
        tf.nn.softmax(logits(own, teacher_temperature)),
        logits(embeddings, temperature),
    )


def draw_keys(
    seed: int | tf.Tensor, step: int | tf.Tensor, num_examples: int, count: int
) -> tf.Tensor:
    """Draws the keys of a step: distinct numbers of rows.

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
        int64 [min(K, N)].
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
    keys = starts + within + cut
    # A GPU has no kernel for the remainder of integers.
    return tf.where(keys >= num_examples, keys - num_examples, keys)


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
