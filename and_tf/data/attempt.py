"""Maps records by functions that may raise, and goes on after an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Values = tuple[Any, ...]


def attempt(
    function: Callable[..., Any], element: Values, otherwise: tf.data.Dataset
) -> tf.data.Dataset:
    """Returns a data set of one element, the value of a function.

    Use it inside of `interleave` or `flat_map`. Errors of the data set that is
    mapped, such as that of a damaged file, are then still raised, while
    `ignore_errors` behind a `map` would hide them.

    Args:
        function: A function of `element` that may raise.
        element: The arguments of the function, tensors.
        otherwise: A data set that begins with the value to take if it raises.
    """
    value = tf.data.Dataset.from_tensors(element).map(function)
    return value.ignore_errors().concatenate(otherwise).take(1)


def map_batches(
    batches: tf.data.Dataset,
    of_batch: Callable[[tf.Tensor], Values],
    of_one: Callable[[tf.Tensor], Values],
    otherwise: Values,
) -> tf.data.Dataset:
    """Maps batches of records; if one fails, its records one by one.

    As most batches are whole, this takes hardly longer than a `map`.

    Args:
        batches: Batches of (records string `[b]`, numbers int64 `[b]`).
        of_batch: A function of records that returns an array for each value.
        of_one: A function of one record that returns its values.
        otherwise: The values of a record for which `of_one` raises.

    Returns:
        Batches of (*values, numbers), in the same order.
    """
    fallback = tf.nest.map_structure(tf.convert_to_tensor, otherwise)

    def single(record: tf.Tensor) -> tf.data.Dataset:
        instead = tf.data.Dataset.from_tensors(fallback)
        return attempt(of_one, (record,), instead)

    def batch(records: tf.Tensor, numbers: tf.Tensor) -> tf.data.Dataset:
        singles = tf.data.Dataset.from_tensor_slices(records).flat_map(single)
        values = attempt(
            of_batch,
            (records,),
            singles.batch(tf.size(records, tf.int64)),
        )
        return values.map(lambda *found: (*found, numbers))

    return in_parallel(batches, batch)


def in_parallel(
    dataset: tf.data.Dataset, of_one: Callable[..., tf.data.Dataset]
) -> tf.data.Dataset:
    """Joins data sets of one element each, in order, using all cores.

    Args:
        dataset: Any data set.
        of_one: A function of an element that returns a data set of one.
    """
    return dataset.interleave(
        of_one,
        cycle_length=tf.data.AUTOTUNE,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
