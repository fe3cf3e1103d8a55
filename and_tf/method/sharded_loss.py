"""The objective where each replica holds a part of the memory bank.

The losses and gradients are those of `objective.losses`. Every replica visits
its own rows with the embeddings of all; what is summed over the replicas grows
with the batch and not with the bank: logits of the neighbourhoods [B, 1 + k],
sums of exponentials [B] and the rows of the gradient [B, D].
"""

from __future__ import annotations

import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.method import loss
from and_tf.method.shards import Shards
from and_tf.utils.errors import InputError

# Sums of exponentials are added up in float64, which holds e^±700, each as
# far from an image's own neighbourhood as this. What lies lower cannot be
# told from zero beside it; what lies 1,400 higher would be infinite. Rows of
# norm √3, the longest that a bank begins with, stay within that from here on.
SHIFT = 700.0
LEAST_TEMPERATURE = 0.0025


def losses(
    embeddings: tf.Tensor,
    everyones: tf.Tensor,
    sample_ids: tf.Tensor,
    shard: tf.Tensor,
    shards: Shards,
    neighbours: tf.Tensor,
    is_anchor: tf.Tensor,
    temperature: float,
    block_rows: int = 0,
) -> tf.Tensor:
    """The terms of equation 7 of this replica's samples.

    All replicas have to call it, in replica context; with one it needs none.

    Args:
        embeddings: [b, D], unit norm, of this replica's samples; the gradient
            reaches these, with no word between replicas.
        everyones: float32 [B, D], those of all replicas, in their order.
        sample_ids: integer [B], their numbers.
        shard: float32 [S, D], this replica's rows of the bank before this
            step's update, S static; receives no gradient.
        shards: Which rows these are.
        neighbours: integer [N, k], of every sample.
        is_anchor: bool [N], True for the anchors of the round.
        temperature: τ.
        block_rows: As of `objective.log_partition`, for a batch of b: where
            the replicas together have more, blocks are as much shorter.

    Returns:
        float32 [b].

    Raises:
        InputError: For a temperature whose exponentials float64 cannot hold.
    """
    if temperature < LEAST_TEMPERATURE:
        raise InputError(
            f"Expected a temperature of at least {LEAST_TEMPERATURE} with a "
            f"sharded bank. Received: {temperature}."
        )
    shard = tf.stop_gradient(shard)
    block_rows = block_rows or loss.default_block_rows()
    block_rows = -(-block_rows // shards.replicas)

    @tf.custom_gradient
    def of(embeddings: tf.Tensor):
        values, mean_rows = _of_everyone(
            tf.stop_gradient(everyones),
            sample_ids,
            shard,
            shards,
            neighbours,
            is_anchor,
            temperature,
            block_rows,
        )
        values, mean_rows = collectives.local_slice(
            (values, mean_rows), embeddings
        )

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return upstream[:, None] * mean_rows / temperature

        return values, gradient

    return of(tf.cast(embeddings, tf.float32))


def _of_everyone(
    embeddings: tf.Tensor,
    sample_ids: tf.Tensor,
    shard: tf.Tensor,
    shards: Shards,
    neighbours: tf.Tensor,
    is_anchor: tf.Tensor,
    temperature: float,
    block_rows: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Losses [B] and τ times their gradients [B, D], on every replica.

    A gradient is the mean of the rows under p less that of the neighbourhood
    under p̃ (equations 9 to 11): each replica adds up those it holds.
    """
    replica = collectives.number()
    sample_ids = tf.cast(sample_ids, neighbours.dtype)
    members = tf.concat(
        [sample_ids[:, None], tf.gather(neighbours, sample_ids)], axis=1
    )  # [B, 1 + k]

    positions, places = shards.owned(members, replica)  # [P, 2], [P]
    queries, rows = positions[:, 0], tf.gather(shard, places)  # [P], [P, D]
    products = tf.reduce_sum(tf.gather(embeddings, queries) * rows, axis=1)
    # Every member is on one replica: the others add zero.
    logits = collectives.all_reduce_sum(
        tf.scatter_nd(
            positions, products / temperature, tf.shape(members, tf.int64)
        )
    )  # [B, 1 + k]
    counted = loss.only_anchors_neighbours(logits, sample_ids, is_anchor)
    log_mass = tf.reduce_logsumexp(counted, axis=1)  # [B]

    highest, total, weighted = loss.sweep(
        embeddings, shard, temperature, block_rows, shards.is_full(replica)
    )
    log_partition = _log_total(highest + tf.math.log(total), log_mass)  # [B]

    p = tf.exp(highest - log_partition)[:, None] * weighted  # [B, D]
    p_tilde = tf.gather_nd(
        tf.exp(counted - log_mass[:, None]), positions
    )  # [P]
    theirs = tf.math.unsorted_segment_sum(
        p_tilde[:, None] * rows, queries, tf.shape(sample_ids)[0]
    )  # [B, D]
    return log_partition - log_mass, collectives.all_reduce_sum(p - theirs)


def _log_total(log_part: tf.Tensor, log_mass: tf.Tensor) -> tf.Tensor:
    """log Σ exp over the replicas, each of which knows the log of its part.

    Replicas only add, so a shift has to be agreed on that makes exponentials
    representable; all know the mass of the neighbourhood, one of the terms.

    Args:
        log_part: float32 [B].
        log_mass: float32 [B], the same everywhere, not above the result.
    """
    shift = tf.cast(log_mass, tf.float64) + SHIFT
    part = tf.exp(tf.cast(log_part, tf.float64) - shift)
    return tf.cast(
        tf.math.log(collectives.all_reduce_sum(part)) + shift, tf.float32
    )
