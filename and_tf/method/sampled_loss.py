"""Estimates the loss of a round from a sample of the bank's rows.

The denominator of equation 2 is a sum over all N rows. Here the rows of the
sample's own neighbourhood are in it as they are, and all others through rows
that each step draws, each with the weight of as many rows as it stands for:

    Ẑ_i = Σ_{j ∈ {i} ∪ N(i)} exp(l_ij) + w_i Σ_{j drawn, not in N(i)} exp(l_ij)

with l_ij = x_i · x̃_j / τ and w_i = (the rows outside the neighbourhood) / (the
rows drawn outside it). As all rows are equally likely to be drawn, Ẑ has the
expectation Z, and the gradient of log Ẑ is that of equations 9 to 11 with the
rows weighted in this way. Its error falls with the number of rows drawn, and it
is the exact loss when all are. The time of a step does not depend on N.
"""

from __future__ import annotations

import tensorflow as tf

from and_tf.method import loss


def losses(
    embeddings: tf.Tensor,
    sample_ids: tf.Tensor,
    rows: tf.Tensor,
    neighbours: tf.Tensor,
    is_anchor: tf.Tensor,
    temperature: float,
    drawn: tf.Tensor,
) -> tf.Tensor:
    """Estimates the terms of equation 7 from the rows that were drawn.

    Args:
        embeddings, sample_ids, rows, neighbours, is_anchor, temperature: See
            `loss.losses`.
        drawn: integer [K], distinct rows, see `row_draws.draw_rows`.

    Returns:
        float32 [B], one term per sample.
    """
    embeddings = tf.cast(embeddings, tf.float32)
    rows = tf.stop_gradient(tf.convert_to_tensor(rows))
    drawn = tf.cast(drawn, neighbours.dtype)
    members = loss.members_of(sample_ids, neighbours)  # [B, 1 + k]
    logits = loss.logits_of(embeddings, rows, members, temperature)
    counted = loss.only_anchors_neighbours(logits, members[:, 0], is_anchor)
    belongs = counted > -float("inf")

    # A neighbour may be named twice, and is one row all the same.
    once = tf.where(_named_before(members), -float("inf"), counted)
    others = tf.matmul(
        embeddings / temperature, tf.gather(rows, drawn), transpose_b=True
    )  # [B, K]
    inside = tf.reduce_any(
        (members[:, :, None] == drawn) & belongs[:, :, None], axis=1
    )  # [B, K]
    weight = _log_weight(rows.shape[0], once, inside)
    outside = tf.where(inside, -float("inf"), others + weight)
    log_partition = tf.reduce_logsumexp(
        tf.concat([once, outside], axis=1), axis=1
    )
    return log_partition - tf.reduce_logsumexp(counted, axis=1)


def _named_before(members: tf.Tensor) -> tf.Tensor:
    """Marks the members [B, 1 + k] that are the same as an earlier one."""
    same = members[:, :, None] == members[:, None, :]  # [B, 1 + k, 1 + k]
    size = tf.shape(members)[1]
    earlier = tf.range(size)[:, None] > tf.range(size)[None, :]
    return tf.reduce_any(same & earlier, axis=2)


def _log_weight(num_rows: int, once: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    """Computes how many rows one that is drawn stands for, log w_i [B, 1].

    Args:
        num_rows: N.
        once: float32 [B, 1 + k], the logits of the neighbourhood; −∞ for what
            is no row of it.
        inside: bool [B, K], which rows drawn are in the neighbourhood.
    """

    def number(marked: tf.Tensor) -> tf.Tensor:
        marked = tf.cast(marked, tf.float32)
        return tf.reduce_sum(marked, axis=1, keepdims=True)

    left = num_rows - number(once > -float("inf"))
    # If nothing is left, or all that was drawn is inside, nothing is weighted.
    return tf.math.log(tf.maximum(left, 1.0) / tf.maximum(number(~inside), 1.0))
