"""Computes the losses of SCAN's two steps.

The clustering step minimises

    Λ = −mean log⟨Φ(X), Φ(neighbour)⟩ − λ · H(mean Φ)            (equation 2)

where Φ is a softmax over C clusters. The first term is least where an image and
its neighbour surely belong to one cluster, the second where every cluster has
an equal part of the batch. Several heads are several classifiers side by side,
each with a loss of its own.

In the self-labelling step, the cluster that the classifier is sure of in a weak
view is the label that it learns for a strong view of the same image.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from and_tf.distribution import collectives


class ScanLoss(NamedTuple):
    """The objective of a batch; over all replicas but for `share`.

    Attributes:
        share: float32 [H], this replica's term: those of all add up to
            consistency − λ · entropy.
        consistency: float32 [b, H], −log⟨Φ(X), Φ(neighbour)⟩ of its own.
        entropy: float32 [H], of the mean over the global batch.
    """

    share: tf.Tensor
    consistency: tf.Tensor
    entropy: tf.Tensor


def scan_loss(
    anchors: tf.Tensor, neighbours: tf.Tensor, entropy_weight: float
) -> ScanLoss:
    """The objective of each head.

    Args:
        anchors: [b, H, C], logits of this replica's images.
        neighbours: [b, H, C], logits of a neighbour of each.
        entropy_weight: λ.
    """
    different = consistency(anchors, neighbours)  # [b, H]
    spread = entropy(mean_of_all(tf.nn.softmax(tf.cast(anchors, tf.float32))))
    count = collectives.count_of_all(anchors)
    heads = [
        collectives.share_of_mean(values, count)
        for values in tf.unstack(different, axis=1)
    ]
    # The mean is the same on all replicas, so that each has a part of what is
    # said of it; the gradient of the sum over them comes back to all.
    weighted = entropy_weight * collectives.share([spread])
    return ScanLoss(tf.stack(heads) - weighted, different, spread)


def consistency(anchors: tf.Tensor, neighbours: tf.Tensor) -> tf.Tensor:
    """−log⟨Φ(X), Φ(neighbour)⟩, float32 [b, H].

    The product is a sum of exponentials of sums, so its logarithm needs no
    product that could underflow.

    Args:
        anchors: [b, H, C], logits.
        neighbours: [b, H, C], logits.
    """
    logs = [
        tf.nn.log_softmax(tf.cast(logits, tf.float32))
        for logits in (anchors, neighbours)
    ]
    return -tf.reduce_logsumexp(tf.add_n(logs), axis=-1)


def entropy(probabilities: tf.Tensor) -> tf.Tensor:
    """H = −Σ_c p_c log p_c of [..., C], float32 [...]; 0 · log 0 is 0."""
    # Its gradient too is finite where a cluster has nothing at all.
    logs = tf.math.log(tf.maximum(probabilities, 1e-8))
    return -tf.reduce_sum(probabilities * logs, axis=-1)


def mean_of_all(values: tf.Tensor) -> tf.Tensor:
    """The mean over the global batch of [b, …], the same on all replicas."""
    count = tf.cast(tf.shape(values)[0], values.dtype)
    return collectives.all_reduce_sum(
        tf.reduce_sum(values, axis=0)
    ) / collectives.all_reduce_sum(count)


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
    counts = collectives.all_reduce_sum(tf.reduce_sum(chosen, axis=0))  # [C]
    if balanced:
        inverse = tf.math.divide_no_nan(tf.reduce_sum(counts), counts)
        weights *= tf.gather(inverse, answers)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(answers, strong)
    everyones = collectives.all_reduce_sum(tf.reduce_sum(weights))
    total = collectives.all_reduce_sum(tf.cast(tf.shape(weak)[0], tf.float32))
    return SelfLabelLoss(
        tf.math.divide_no_nan(tf.reduce_sum(weights * losses), everyones),
        tf.reduce_sum(counts) / total,
    )
