"""Checks that training steps get images and valid sample_ids.

The form of a batch is checked when a step is traced. The values of the
sample_ids are known only on the device. One small operation per step counts
them there, and the host checks the counts from time to time.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.utils.errors import InputError

_HOW = (
    "Number the images by their places in the training set: "
    "tf.data.Dataset.from_tensor_slices((images, np.arange(len(images))))"
    ".batch(…)."
)


def images_and_numbers(data: Any, free_form: bool) -> tuple[Any, tf.Tensor]:
    """Splits a batch into images and sample_ids.

    Args:
        data: An element of the user's data set.
        free_form: Whether the images may be any structure of tensors, because
            an augmenter turns it into images.

    Returns:
        The images, and the sample_ids, int32 or int64 [b].

    Raises:
        InputError: If the element is not (images, sample_ids).
    """
    parts = list(data) if isinstance(data, (tuple, list)) else [data]
    # Keras appends None for targets and weights that were not given.
    while len(parts) > 2 and parts[-1] is None:
        parts.pop()
    if len(parts) != 2 or not _are_numbers(parts[1]):
        raise InputError(
            "Expected batches (images, sample numbers), the numbers integer "
            f"[B]. Received: {_shown(data)}. {_HOW}"
        )
    images, sample_ids = parts
    if not (free_form or tf.is_tensor(images)):
        raise InputError(
            "Expected images as one tensor where the model has no augmenter. "
            f"Received: {_shown(images)}."
        )
    if sample_ids.dtype not in (tf.int32, tf.int64):
        sample_ids = tf.cast(sample_ids, tf.int64)  # tf.gather needs it.
    return images, sample_ids


class SampleCounts:
    """On-device counters of how often each sample was seen in an epoch.

    Args:
        num_examples: N, the number of training samples.
        strategy: The model's strategy; every replica counts its own samples.
        distinct: Whether to require different sample_ids within an epoch, as
            in training. In evaluation, a few samples may occur many times.
    """

    def __init__(
        self,
        num_examples: int,
        strategy: tf.distribute.Strategy,
        distinct: bool,
    ) -> None:
        self._size, self._distinct = num_examples, distinct
        self._strategy = strategy
        with strategy.scope():
            # The last place counts all invalid sample_ids.
            self._counts = tf.Variable(
                tf.zeros([num_examples + 1]),
                trainable=False,
                aggregation=tf.VariableAggregation.NONE,
                name="sample_counts",
            )

    def count(self, sample_ids: tf.Tensor) -> tf.Tensor:
        """Counts the samples of a batch; call this within a step.

        Args:
            sample_ids: int32 or int64 [b].

        Returns:
            The same sample_ids, with 0 for each one that is not from 0 to
            N − 1. So the step ends without an error on every device, and
            `check` raises the error afterwards.
        """
        size = tf.constant(self._size, sample_ids.dtype)
        inside = (sample_ids >= 0) & (sample_ids < size)
        places = tf.where(inside, sample_ids, size)
        ones = tf.ones_like(places, tf.float32)
        self._counts.scatter_add(tf.IndexedSlices(ones, places))
        return tf.where(inside, sample_ids, tf.zeros_like(sample_ids))

    def check(self) -> None:
        """Checks the counts, for which a GPU has to finish its steps.

        Raises:
            InputError: If the sample_ids were invalid. The counts then start
                from 0 again, since the next data set may be right.
        """
        parts = self._strategy.experimental_local_results(self._counts)
        counts = functools.reduce(
            np.add, (np.asarray(part, np.float64) for part in parts)
        )
        try:
            self._refuse(counts)
        except InputError:
            self._clear()
            raise

    def restart(self) -> None:
        """Checks the counts and sets them to 0."""
        self.check()
        self._clear()

    def _clear(self) -> None:
        self._counts.assign(tf.zeros_like(self._counts))

    def _refuse(self, counts: np.ndarray) -> None:
        """Raises an `InputError` if counts [N + 1] show wrong sample_ids."""
        seen = int(counts.sum())
        _refuse_outside(int(counts[-1]), seen, self._size)
        different = int(np.count_nonzero(counts[:-1]))
        # Half of them suffices, because some data sets draw samples with
        # replacement, or have batches that span two epochs.
        if self._distinct and 2 * different < min(seen, self._size):
            raise InputError(
                "Expected a different number for each training image. "
                f"Received: {different} different numbers for {seen} images, "
                f"as class labels would be. {_HOW}"
            )


def check_numbers(sample_ids: np.ndarray, num_examples: int) -> None:
    """Checks sample_ids that are on the host.

    Args:
        sample_ids: integer [n].
        num_examples: N, the number of training samples.

    Raises:
        InputError: If a sample_id is not from 0 to N − 1.
    """
    outside = (sample_ids < 0) | (sample_ids >= num_examples)
    _refuse_outside(int(outside.sum()), len(sample_ids), num_examples)


def watched(
    function: Callable[[Any], Any], counts: SampleCounts
) -> Callable[[Any], Any]:
    """Wraps a function of steps to check its counts after calls 1, 2, 4, 8, ….

    So wrong sample_ids are refused early, and the host seldom has to wait.

    Args:
        function: A function of an iterator, such as Keras' `train_function`.
        counts: The counts that the steps update.

    Returns:
        A function with the same argument and result.
    """
    calls = itertools.count(1)

    def call(iterator: Any) -> Any:
        result = function(iterator)
        number = next(calls)
        if number & (number - 1) == 0:
            counts.check()
        return result

    return call


def _refuse_outside(outside: int, seen: int, num_examples: int) -> None:
    """Raises an `InputError` if any of the `seen` sample_ids was outside."""
    if outside:
        raise InputError(
            f"Expected sample numbers from 0 to {num_examples - 1}. "
            f"Received: {outside} of {seen} that are not. {_HOW}"
        )


def _are_numbers(sample_ids: Any) -> bool:
    """Returns whether the argument is an integer tensor [b]."""
    return (
        tf.is_tensor(sample_ids)
        and sample_ids.dtype.is_integer
        and sample_ids.shape.rank in (1, None)
    )


def _shown(data: Any) -> str:
    """Formats the dtypes and shapes of a structure for an error message."""
    if isinstance(data, dict):
        parts = (f"{name!r}: {_shown(part)}" for name, part in data.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(data, (tuple, list)):
        return "(" + ", ".join(map(_shown, data)) + ")"
    if not hasattr(data, "dtype"):
        return repr(data)
    shape = "any shape" if data.shape.rank is None else list(data.shape)
    return f"{data.dtype.name} {shape}"
