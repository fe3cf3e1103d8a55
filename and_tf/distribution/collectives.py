"""Exchanges tensors between the replicas of a training step.

These functions are called inside a training step. With one replica they send
nothing. With several, they follow `tf.distribute`'s convention that gradients
are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

_BITS = 22  # Bits of the lower part of an integer that two float32 carry.


def _context() -> tf.distribute.ReplicaContext | None:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context


def gather(tensor: tf.Tensor) -> tf.Tensor:
    """Concatenates the [b, …] of all replicas to [B, …], in their order."""
    context = _context()
    # The tensor is copied, because under a strategy of several processes with
    # one device each, TensorFlow looks up its device, and a tensor captured
    # from outside the graph has none ("destinations can not be empty").
    return context.all_gather(tf.identity(tensor), 0) if context else tensor


def gather_together(*tensors: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Gathers several tensors as `gather` does, in one exchange.

    Args:
        *tensors: [b, …] each, float32 or an integer dtype with values from 0
            to 2^44.

    Returns:
        [B, …] for each tensor, of the same dtypes.
    """
    if _context() is None:
        return tensors
    columns = [_as_columns(tensor) for tensor in tensors]
    sizes = [column.shape[1] for column in columns]
    parts = tf.split(gather(tf.concat(columns, 1)), sizes, axis=1)
    return tuple(map(_from_columns, parts, tensors))


def _as_columns(tensor: tf.Tensor) -> tf.Tensor:
    """Returns float32 [b, c], which `_from_columns` turns back.

    An integer becomes two numbers below 2^24, which float32 holds exactly.
    """
    width = tensor.shape[1:].num_elements()
    flat = tf.reshape(tensor, [-1, width])
    if not tensor.dtype.is_integer:
        return flat
    # Bits are shifted, as a GPU has no kernel for the remainder of integers.
    high = tf.bitwise.right_shift(flat, tf.constant(_BITS, flat.dtype))
    low = tf.bitwise.bitwise_and(flat, tf.constant(2**_BITS - 1, flat.dtype))
    return tf.concat([tf.cast(part, tf.float32) for part in (high, low)], 1)


def _from_columns(columns: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns [B, …] of the dtype that `like` had before `_as_columns`."""
    if like.dtype.is_integer:
        # Floats are split, as a GPU has no kernel for splitting integers.
        high, low = (
            tf.cast(part, like.dtype) for part in tf.split(columns, 2, axis=1)
        )
        columns = high * 2**_BITS + low
    return tf.reshape(columns, [-1, *like.shape[1:]])


def sync_batch_stats(variables: Sequence[keras.Variable]) -> None:
    """Averages batch statistics over all replicas.

    Otherwise each replica would continue with its own, and a checkpoint would
    hold those of one replica. Variables that are not float are left alone.
    """
    context = _context()
    chosen = [v for v in variables if keras.backend.is_float_dtype(v.dtype)]
    if context is None or not chosen:
        return
    flat = tf.concat([tf.reshape(v.value, [-1]) for v in chosen], axis=0)
    flat = context.all_reduce(tf.distribute.ReduceOp.MEAN, flat)
    sizes = [v.shape.num_elements() for v in chosen]
    for variable, values in zip(chosen, tf.split(flat, sizes), strict=True):
        variable.value.assign(tf.reshape(values, variable.shape))


def local_slice(
    gathered: tuple[tf.Tensor, ...], own: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Returns this replica's rows of gathered tensors.

    Args:
        gathered: Tensors [B, …] with a row for each sample, in the order of
            `gather`.
        own: A tensor [b, …] of this replica, which tells its number of rows.

    Returns:
        A tensor [b, …] for each of them.
    """
    context = _context()
    if context is None:
        return gathered
    # A last batch may be spread unevenly. This uses int64 and a gather, since
    # int32 and the bounds of a slice would go through the host.
    count = tf.shape(own, tf.int64)[0]
    before = tf.reduce_sum(gather(count[None])[: number()])
    places = before + tf.range(count)
    return tuple(tf.gather(tensor, places) for tensor in gathered)


def number() -> tf.Tensor:
    """Returns the number of this replica, int32 []; 0 with one replica."""
    context = _context()
    return context.replica_id_in_sync_group if context else tf.constant(0)


def all_reduce_sum(tensor: tf.Tensor) -> tf.Tensor:
    """Sums a tensor over all replicas; all have to pass the same shape."""
    context = _context()
    if context is None:
        return tensor
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)


def count_of_all(own: tf.Tensor) -> tf.Tensor | None:
    """Counts the samples of the global batch.

    Args:
        own: A tensor [b, …] of this replica.

    Returns:
        The number of samples B, float32 []; None with one replica.
    """
    if _context() is None:
        return None
    return all_reduce_sum(tf.cast(tf.shape(own)[0], tf.float32))


def share_of_mean(values: tf.Tensor, count: tf.Tensor | None) -> tf.Tensor:
    """Returns this replica's term of the mean over the global batch.

    The terms of all replicas add up to the mean over all B values, also where
    a last batch is spread unevenly.

    Args:
        values: float32 [b]: this replica's values.
        count: The number of samples B, as `count_of_all` returns it.

    Returns:
        The term, float32 [].
    """
    if count is None:
        return tf.reduce_mean(values)
    return tf.reduce_sum(values) / count


def share(losses: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns this replica's part of the encoder's regularisation losses."""
    if not losses:
        return tf.constant(0.0)
    context = _context()
    replicas = context.num_replicas_in_sync if context else 1
    return tf.add_n([tf.cast(loss, tf.float32) for loss in losses]) / replicas


def apply_if(
    condition: tf.Tensor,
    optimiser: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[keras.Variable],
) -> None:
    """Applies a step of the optimiser if a condition holds.

    If it does not hold, neither the variables nor the optimiser change.

    Args:
        condition: bool [], the same on all replicas.
        optimiser: The optimiser, built for the variables.
        gradients: This replica's gradients, one for each variable.
        variables: The variables that are trained.
    """
    variables = list(variables)

    def apply(own: Sequence[tf.Tensor]) -> None:
        optimiser.apply(own, variables)

    def step(apply_all: Callable[[], None], condition: tf.Tensor) -> None:
        def without_result() -> None:
            apply_all()

        tf.cond(condition, without_result, lambda: None)

    context = _context()
    if context is None:
        step(lambda: apply(gradients), condition)
        return

    def across(
        strategy: tf.distribute.Strategy,
        gradients: Sequence[tf.Tensor],
        condition: tf.Tensor,
    ) -> None:
        step(
            lambda: strategy.extended.call_for_each_replica(
                apply, args=(gradients,)
            ),
            strategy.experimental_local_results(condition)[0],
        )

    # An optimiser merges the replicas, which is not allowed in a branch within
    # one replica. So the branch is taken for all replicas together.
    context.merge_call(across, args=(list(gradients), condition))


class MeanOfAll(keras.metrics.Mean):
    """A mean that every replica updates with the values of all replicas.

    All replicas then have the same sums, and each can be read without the
    others: a process that writes a checkpoint need not wait for another that
    does not.
    """

    def add_variable(self, *args: Any, **kwargs: Any) -> keras.Variable:
        """Adds a mirrored variable, instead of one that is summed when read."""
        kwargs["aggregation"] = "only_first_replica"
        return super().add_variable(*args, **kwargs)
