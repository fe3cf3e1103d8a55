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

from collections.abc import Callable

import tensorflow as tf

from and_tf.method import loss

_LOWEST = -1e30  # Stands for the greatest of no logits, as −∞ − (−∞) is NaN.


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
        drawn: integer [K], distinct rows in ascending order, see
            `row_draws.draw_rows`.

    Returns:
        float32 [B], one term per sample.
    """
    embeddings = tf.cast(embeddings, tf.float32)
    drawn = tf.cast(drawn, neighbours.dtype)
    members = loss.members_of(sample_ids, neighbours)  # [B, 1 + k]
    logits = loss.logits_of(embeddings, rows, members, temperature)
    counted = loss.only_anchors_neighbours(logits, members[:, 0], is_anchor)
    # A neighbour may be named twice, and is one row all the same.
    once = tf.where(_named_before(members), -float("inf"), counted)
    place, inside = _places(members, drawn, once > -float("inf"))
    # A variable is gathered from, not read: to read one that is updated row by
    # row copies all its rows, which at N = 1,000,000 took as long as the rest.
    of_draw = tf.stop_gradient(tf.gather(rows, drawn))
    others = _log_partition(embeddings, of_draw, temperature, place, inside)
    others += _log_weight(rows.shape[0], drawn.shape[0], once, inside)
    log_partition = tf.reduce_logsumexp(
        tf.concat([once, others[:, None]], axis=1), axis=1
    )
    return log_partition - tf.reduce_logsumexp(counted, axis=1)


def _named_before(members: tf.Tensor) -> tf.Tensor:
    """Marks the members [B, 1 + k] that are the same as an earlier one."""
    same = members[:, :, None] == members[:, None, :]  # [B, 1 + k, 1 + k]
    size = tf.shape(members)[1]
    earlier = tf.range(size)[:, None] > tf.range(size)[None, :]
    return tf.reduce_any(same & earlier, axis=2)


def _places(
    members: tf.Tensor, drawn: tf.Tensor, counts: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the members of the neighbourhoods among the rows drawn.

    Args:
        members: integer [B, 1 + k], rows.
        drawn: integer [K], rows in ascending order.
        counts: bool [B, 1 + k], which members are counted.

    Returns:
        int64 [B, 1 + k], where in `drawn` a member would be, and bool
        [B, 1 + k], whether it is there and is counted.
    """
    flat = tf.reshape(members, [-1])
    place = tf.searchsorted(drawn, flat, out_type=tf.int64)
    place = tf.minimum(place, drawn.shape[0] - 1)
    found = tf.gather(drawn, place) == flat
    shape = tf.shape(members)
    return tf.reshape(place, shape), tf.reshape(found, shape) & counts


def _log_partition(
    embeddings: tf.Tensor,
    rows: tf.Tensor,
    temperature: float,
    place: tf.Tensor,
    excluded: tf.Tensor,
) -> tf.Tensor:
    """Computes log Σ_j exp(x_i · x̃_j / τ) without a few rows of each sample.

    As in `loss.log_partition`, one visit gives the sum and its gradient. It is
    most of the work of a step, so that no mask of all B × K logits is made.

    Args:
        embeddings: float32 [B, D].
        rows: float32 [K, D], the rows x̃ that were drawn.
        temperature: τ.
        place: int64 [B, m], rows of `rows`.
        excluded: bool [B, m], which of these are left out for the sample.

    Returns:
        float32 [B], −∞ if nothing is left.
    """
    samples = tf.range(tf.shape(place, tf.int64)[0])[:, None]
    samples = samples + tf.zeros_like(place)
    indices = tf.stack([samples, place], axis=-1)  # [B, m, 2]
    bounds = tf.where(excluded, -float("inf"), float("inf"))

    @tf.custom_gradient
    def of(embeddings: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        logits = tf.matmul(embeddings / temperature, rows, transpose_b=True)
        logits = tf.tensor_scatter_nd_min(logits, indices, bounds)
        highest = tf.maximum(tf.reduce_max(logits, axis=1), _LOWEST)
        parts = tf.exp(logits - highest[:, None])  # [B, K]
        total = tf.reduce_sum(parts, axis=1)
        mean_row = tf.math.divide_no_nan(tf.matmul(parts, rows), total[:, None])

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return upstream[:, None] * mean_row / temperature

        return tf.math.log(total) + highest, gradient

    return of(embeddings)


def _log_weight(
    num_rows: int, num_drawn: int, once: tf.Tensor, inside: tf.Tensor
) -> tf.Tensor:
    """Computes how many rows one that is drawn stands for, log w_i [B].

    Args:
        num_rows: N.
        num_drawn: K.
        once: float32 [B, 1 + k], the logits of the neighbourhood; −∞ for what
            is no row of it.
        inside: bool [B, 1 + k], which of them were drawn.
    """

    def number(marked: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(marked, tf.float32), axis=1)

    left = num_rows - number(once > -float("inf"))
    outside = num_drawn - number(inside)
    # If nothing is left, or all that was drawn is inside, nothing is weighted.
    return tf.math.log(tf.maximum(left, 1.0) / tf.maximum(outside, 1.0))
