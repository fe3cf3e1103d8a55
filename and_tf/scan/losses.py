"""Computes the losses of SCAN's two steps.

The clustering step minimises

    Λ = −mean log⟨Φ(X), Φ(neighbour)⟩ − λ · H(mean Φ)            (equation 2)

where Φ is a softmax over C clusters. The first term is least if an image and
its neighbour are assigned to the same cluster with certainty, the second if
all clusters are used evenly in the batch. If there are several heads, each is
a classifier with its own loss.

In the self-labelling step, a confident prediction for a weak view becomes the
label of a strong view of the same image.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from and_tf.distribution import collectives


class HeadLoss(NamedTuple):
    """The clustering loss of a batch, SCAN's or TEMI's.

    Attributes:
        share: float32 [H], this replica's term of each head's loss. The terms
            of all replicas add up to the loss of the global batch.
        consistency: float32 [b, H], −log⟨Φ(X), Φ(neighbour)⟩ of this
            replica's images.
        entropy: float32 [H], the entropy of the mean prediction over the
            global batch.
    """

    share: tf.Tensor
    consistency: tf.Tensor
    entropy: tf.Tensor


def scan_loss(
    anchors: tf.Tensor, neighbours: tf.Tensor, entropy_weight: float
) -> HeadLoss:
    """Computes the clustering loss of each head.

    Args:
        anchors: [b, H, C], the logits of this replica's images.
        neighbours: [b, H, C], the logits of a neighbour of each image.
        entropy_weight: The weight λ of the entropy.
    """
    different = consistency(anchors, neighbours)  # [b, H]
    spread = entropy(mean_of_all(tf.nn.softmax(tf.cast(anchors, tf.float32))))
    count = collectives.count_of_all(anchors)
    heads = [
        collectives.share_of_mean(values, count)
        for values in tf.unstack(different, axis=1)
    ]
    # The entropy is the same on all replicas, so each counts an equal part of
    # it; the gradient of the all-reduced mean flows back to all replicas.
    weighted = entropy_weight * collectives.share([spread])
    return HeadLoss(tf.stack(heads) - weighted, different, spread)


def consistency(anchors: tf.Tensor, neighbours: tf.Tensor) -> tf.Tensor:
    """Computes −log⟨Φ(X), Φ(neighbour)⟩, float32 [b, H].

    It uses a log-sum-exp of log probabilities, so that no product can
    underflow.

    Args:
        anchors: [b, H, C], the logits of the images.
        neighbours: [b, H, C], the logits of their neighbours.
    """
    logs = [
        tf.nn.log_softmax(tf.cast(logits, tf.float32))
        for logits in (anchors, neighbours)
    ]
    return -tf.reduce_logsumexp(tf.add_n(logs), axis=-1)


def entropy(probabilities: tf.Tensor) -> tf.Tensor:
    """Computes H = −Σ_c p_c log p_c of [..., C]; 0 · log 0 counts as 0."""
    # The floor also keeps the gradient finite where a probability is 0.
    logs = tf.math.log(tf.maximum(probabilities, 1e-8))
    return -tf.reduce_sum(probabilities * logs, axis=-1)


def mean_of_all(values: tf.Tensor) -> tf.Tensor:
    """Computes the mean of [b, …] over the global batch, on all replicas."""
    count = tf.cast(tf.shape(values)[0], values.dtype)
    return collectives.all_reduce_sum(
        tf.reduce_sum(values, axis=0)
    ) / collectives.all_reduce_sum(count)


class SelfLabelLoss(NamedTuple):
    """The self-labelling loss of a batch.

    Attributes:
        share: float32 [], this replica's term of the loss. The terms of all
            replicas add up to the (weighted) mean over the confident samples
            of the global batch. Without confident samples, the loss and its
            gradients are 0.
        confident: float32 [], the share of confident samples in the global
            batch.
    """

    share: tf.Tensor
    confident: tf.Tensor


def self_label_loss(
    weak: tf.Tensor,
    strong: tf.Tensor,
    threshold: float,
    balanced: bool = True,
) -> SelfLabelLoss:
    """Computes the cross-entropy of strong views with labels of weak views.

    Args:
        weak: [b, C], the logits of weak views; no gradient flows into them.
        strong: [b, C], the logits of strong views.
        threshold: The probability above which a prediction is confident.
        balanced: Whether to weight samples by inverse cluster frequency among
            the confident samples. Defaults to True.
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
