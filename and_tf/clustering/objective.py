"""The objective of SCAN's clustering step.

Λ = −mean log⟨Φ(X), Φ(neighbour)⟩ − λ · H(mean Φ)                (equation 2)

Φ is a softmax over C clusters. The first term is least where an image and its
neighbour are surely of one cluster, the second where all clusters have as
much of the batch. Several heads are several classifiers side by side, each
with an objective of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from and_tf import replicas


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
    count = replicas.count_of_all(anchors)
    heads = [
        replicas.share_of_mean(values, count)
        for values in tf.unstack(different, axis=1)
    ]
    # The mean is the same on all replicas, so that each has a part of what is
    # said of it; the gradient of the sum over them comes back to all.
    weighted = entropy_weight * replicas.share([spread])
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
    return replicas.total(tf.reduce_sum(values, axis=0)) / replicas.total(count)
