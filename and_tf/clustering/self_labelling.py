"""The objective of SCAN's self-labelling step.

What the classifier is sure of in a weak view is the label that it learns for
the strong view of the same image.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from and_tf import replicas


class SelfLabelLoss(NamedTuple):
    """The objective of a batch.

    Attributes:
        share: float32 [], this replica's term: those of all add up to the
            mean over the confident samples of the global batch. 0, with
            gradients of 0, where there is none.
        confident: float32 [], the share of such samples in the global batch.
    """

    share: tf.Tensor
    confident: tf.Tensor


def self_label_loss(
    weak: tf.Tensor,
    strong: tf.Tensor,
    threshold: float,
    balanced: bool = True,
) -> SelfLabelLoss:
    """Cross-entropy of strong views against the weak views' sure answers.

    Args:
        weak: [b, C], logits of weak views; no gradient flows into them.
        strong: [b, C], logits of strong views.
        threshold: The probability that a sure answer is above.
        balanced: Whether clusters count alike, however many of the confident
            samples each has.
    """
    weak, strong = tf.cast(weak, tf.float32), tf.cast(strong, tf.float32)
    probabilities = tf.stop_gradient(tf.nn.softmax(weak))  # [b, C]
    answers = tf.argmax(probabilities, axis=1)  # [b]
    sure = tf.reduce_max(probabilities, axis=1) > threshold
    weights = tf.cast(sure, tf.float32)
    chosen = weights[:, None] * tf.one_hot(answers, weak.shape[1])  # [b, C]
    counts = replicas.total(tf.reduce_sum(chosen, axis=0))  # [C]
    if balanced:
        inverse = tf.math.divide_no_nan(tf.reduce_sum(counts), counts)
        weights *= tf.gather(inverse, answers)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(answers, strong)
    everyones = replicas.total(tf.reduce_sum(weights))
    total = replicas.total(tf.cast(tf.shape(weak)[0], tf.float32))
    return SelfLabelLoss(
        tf.math.divide_no_nan(tf.reduce_sum(weights * losses), everyones),
        tf.reduce_sum(counts) / total,
    )
