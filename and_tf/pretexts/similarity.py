"""Computes SEED's loss, a cross-entropy of similarities.

References:
    SEED, https://arxiv.org/abs/2101.04731
"""

from __future__ import annotations

import tensorflow as tf

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
