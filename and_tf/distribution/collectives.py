"""What the replicas of a training step tell each other.

Called inside a training step. With one replica nothing is sent; elsewhere
these follow `tf.distribute`'s convention that gradients are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

_BITS = 22  # Of an integer's lower part where two float32 carry it.


def _context() -> tf.distribute.ReplicaContext | None:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context


def gather(tensor: tf.Tensor) -> tf.Tensor:
    """The [b, …] of all replicas as [B, …], in the order of the replicas."""
    context = _context()
    # A copy: under a strategy of several processes with a device each,
    # TensorFlow asks a tensor where it is, and one that came into the graph
    # from outside does not know ("destinations can not be empty").
    return context.all_gather(tf.identity(tensor), 0) if context else tensor


def gather_together(*tensors: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """What `gather` gives of each of some tensors, by one exchange.

    Args:
        *tensors: [b, …] each, float32 or integer from 0 to 2^44.

    Returns:
        [B, …] each, of the same dtypes.
    """
    if _context() is None:
        return tensors
    columns = [_as_columns(tensor) for tensor in tensors]
    sizes = [column.shape[1] for column in columns]
    parts = tf.split(gather(tf.concat(columns, 1)), sizes, axis=1)
    return tuple(map(_from_columns, parts, tensors))


def _as_columns(tensor: tf.Tensor) -> tf.Tensor:
    """float32 [b, c], from which `_from_columns` makes the tensor again.

    An integer becomes two numbers below 2^24 each, as float32 has them whole.
    """
    width = tensor.shape[1:].num_elements()
    flat = tf.reshape(tensor, [-1, width])
    if not tensor.dtype.is_integer:
        return flat
    # Shifts, for a GPU has no kernel for the remainder of integers.
    high = tf.bitwise.right_shift(flat, tf.constant(_BITS, flat.dtype))
    low = tf.bitwise.bitwise_and(flat, tf.constant(2**_BITS - 1, flat.dtype))
    return tf.concat([tf.cast(part, tf.float32) for part in (high, low)], 1)


def _from_columns(columns: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """[B, …] of the dtype of a tensor that `_as_columns` took apart."""
    if like.dtype.is_integer:
        # Split as floats: a GPU has no split of integers either.
        high, low = (
            tf.cast(part, like.dtype) for part in tf.split(columns, 2, axis=1)
        )
        columns = high * 2**_BITS + low
    return tf.reshape(columns, [-1, *like.shape[1:]])


def sync_batch_stats(variables: Sequence[keras.Variable]) -> None:
    """Gives all replicas the mean of what each holds: statistics of batches.

    Else each would go on with its own, and a checkpoint would have those of
    one. Variables that are not float are left alone.
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
    """What belongs to this replica in tensors with a row a sample.

    Args:
        gathered: Of [B, …], in the order that `gather` gives.
        own: [b, …], of this replica.

    Returns:
        Of [b, …].
    """
    context = _context()
    if context is None:
        return gathered
    # A last batch may be spread unevenly. int64 and a gather, since int32 and
    # the bounds of a slice would go through the host.
    count = tf.shape(own, tf.int64)[0]
    before = tf.reduce_sum(gather(count[None])[: number()])
    places = before + tf.range(count)
    return tuple(tf.gather(tensor, places) for tensor in gathered)


def number() -> tf.Tensor:
    """int32, this replica's place in their order; 0 with one."""
    context = _context()
    return context.replica_id_in_sync_group if context else tf.constant(0)


def all_reduce_sum(tensor: tf.Tensor) -> tf.Tensor:
    """The sum over all replicas of tensors of one shape."""
    context = _context()
    if context is None:
        return tensor
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)


def count_of_all(own: tf.Tensor) -> tf.Tensor | None:
    """How many samples the global batch has, float32 []; None with one replica.

    Args:
        own: [b, …], of this replica.
    """
    if _context() is None:
        return None
    return all_reduce_sum(tf.cast(tf.shape(own)[0], tf.float32))


def share_of_mean(values: tf.Tensor, count: tf.Tensor | None) -> tf.Tensor:
    """This replica's term of the mean over the global batch.

    The terms of all replicas add up to the mean over all B values, also where
    a last batch is spread unevenly.

    Args:
        values: float32 [b].
        count: B, as `count_of_all` gives it.
    """
    if count is None:
        return tf.reduce_mean(values)
    return tf.reduce_sum(values) / count


def share(losses: Sequence[tf.Tensor]) -> tf.Tensor:
    """This replica's part of the encoder's own (regularisation) losses."""
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
    """A step of the optimiser, or none, of which nothing moves then.

    Args:
        condition: bool [], the same on all replicas.
        optimiser: Built for the variables.
        gradients: This replica's, one a variable.
        variables: What is trained.
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

    # An optimiser merges its replicas, which a branch within one replica may
    # not do; so the branch is that of all of them.
    context.merge_call(across, args=(list(gradients), condition))


class MeanOfAll(keras.metrics.Mean):
    """A mean that every replica updates with the values of all of them.

    Each then has the same sums, and can be asked without the others: where
    processes train together, one that writes a checkpoint need not wait for
    another that does not.
    """

    def add_variable(self, *args: Any, **kwargs: Any) -> keras.Variable:
        """A sum that is mirrored, instead of one that is summed when read."""
        kwargs["aggregation"] = "only_first_replica"
        return super().add_variable(*args, **kwargs)
