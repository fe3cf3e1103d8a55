"""Computes TEMI's loss of clustering heads [1].

Each head maximises the pointwise mutual information of the clusters of an
image and of its neighbour, weighted by how sure all heads are that the two
belong together:

    L = −mean w(X, X') · log Σ_c (Φ_c(X) · Φ_c(X'))^β / m_c   (equations 6 to 8)

    w(X, X') = 1/H · Σ_h Σ_c Φ_hc(X) · Φ_hc(X'),

where Φ is a softmax over C clusters, m is its mean over images and neighbours
in the batch, and X' is a neighbour of X. No gradient flows into w or m. The
weight makes false neighbours count for less. The division by m keeps clusters
evenly used without a weight that would have to be chosen. With β = 1, a
prediction is sharpened until it is certain, and clusters may be lost; β must be
above 1/2, since below predictions become uniform.

The paper computes Φ(X') by a teacher, a moving average of the heads. It is
left out here: see docs/clustering.md for what was measured.

[1] Adaloglou et al., Exploring the Limits of Deep Image Clustering using
    Pretrained Models, BMVC 2023. https://arxiv.org/abs/2303.17896
"""

from __future__ import annotations

import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.scan import losses
from and_tf.scan.losses import HeadLoss, mean_of_all


def temi_loss(
    anchors: tf.Tensor, neighbours: tf.Tensor, beta: float
) -> HeadLoss:
    """Computes TEMI's loss of each head.

    Args:
        anchors: [b, H, C], the logits of this replica's images.
        neighbours: [b, H, C], the logits of a neighbour of each image.
        beta: The exponent β, above 1/2 and at most 1.
    """
    logs, others = (
        tf.nn.log_softmax(tf.cast(logits, tf.float32))
        for logits in (anchors, neighbours)
    )
    both = logs + others  # [b, H, C]
    marginal = mean_of_all((tf.exp(logs) + tf.exp(others)) / 2)  # [H, C]
    marginal = tf.stop_gradient(tf.maximum(marginal, 1e-8))
    together = tf.reduce_sum(tf.exp(both), axis=-1)  # [b, H]
    weights = tf.stop_gradient(tf.reduce_mean(together, 1, keepdims=True))
    information = tf.reduce_logsumexp(
        beta * both - tf.math.log(marginal), axis=-1
    )  # [b, H]
    count = collectives.count_of_all(anchors)
    heads = [
        collectives.share_of_mean(values, count)
        for values in tf.unstack(-weights * information, axis=1)
    ]
    return HeadLoss(
        tf.stack(heads),
        losses.consistency(anchors, neighbours),
        losses.entropy(marginal),
    )
