"""Computes the loss if each replica holds a part of the memory bank.

The losses and gradients are those of `loss.losses`. Every replica visits its
own rows with the embeddings of all replicas. The tensors that are summed over
the replicas grow with the batch, not with the bank: the logits of the
neighbourhoods [B, 1 + k], the sums of exponentials [B] and the gradients
[B, D].
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.method import loss
from and_tf.method.shards import Shards
from and_tf.utils.errors import InputError

# Exponentials are added up in float64, which holds e^±700. Each exponent is
# taken relative to the log mass of the sample's own neighbourhood plus this
# shift. A sum far below that mass becomes zero, which does not matter beside
# it; only a sum whose log is 1,400 above it would become infinite. With rows
# of norm √3, the longest that a bank starts with, that cannot happen from this
# temperature up.
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
    """Computes the terms of equation 7 of this replica's samples.

    All replicas have to call it, in replica context. With one replica it needs
    no such context.

    Args:
        embeddings: [b, D], unit norm, of this replica's samples. The gradient
            reaches these; it needs no exchange between replicas.
        everyones: float32 [B, D], the embeddings of all replicas, in the order
            of the replicas.
        sample_ids: integer [B], the row in the bank of each of `everyones`.
        shard: float32 [S, D], this replica's rows of the bank before this
            step's update, S static; it receives no gradient.
        shards: The `Shards`, which say which replica holds which rows.
        neighbours: integer [N, k], the neighbours of every sample.
        is_anchor: bool [N], True for the anchors of the round.
        temperature: τ of the softmax.
        block_rows: The number of rows per block, as for `loss.log_partition`
            with a batch of b. It is divided by the number of replicas here,
            because B is that many times larger.

    Returns:
        float32 [b], one term per sample.

    Raises:
        InputError: If the temperature is so low that float64 cannot hold the
            exponentials.
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
    def of(embeddings: tf.Tensor) -> tuple[tf.Tensor, Callable]:
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
    """Computes the losses [B] and τ times their gradients [B, D].

    A gradient is the mean of the rows under p minus the mean of the
    neighbourhood's rows under p̃ (equations 9 to 11). Each replica adds up the
    rows that it holds; all replicas return the same sums.
    """
    replica = collectives.number()
    sample_ids = tf.cast(sample_ids, neighbours.dtype)
    members = loss.members_of(sample_ids, neighbours)  # [B, 1 + k]

    positions, places = shards.owned(members, replica)  # [P, 2], [P]
    queries, rows = positions[:, 0], tf.gather(shard, places)  # [P], [P, D]
    products = tf.reduce_sum(tf.gather(embeddings, queries) * rows, axis=1)
    # Each member's row is on one replica; the others add zero.
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
    """Computes log Σ exp(log_part) over the replicas.

    Replicas can only exchange sums, so they need a common shift that keeps the
    exponentials representable. All of them know the mass of the neighbourhood,
    which is a part of the sum, and derive the shift from it.

    Args:
        log_part: float32 [B], the log of this replica's part of the sum.
        log_mass: float32 [B], the log of the neighbourhood's mass, the same on
            all replicas and not above the result.

    Returns:
        float32 [B].
    """
    shift = tf.cast(log_mass, tf.float64) + SHIFT
    part = tf.exp(tf.cast(log_part, tf.float64) - shift)
    return tf.cast(
        tf.math.log(collectives.all_reduce_sum(part)) + shift, tf.float32
    )
