"""Checks that training steps get images and the numbers of their samples.

Whether an element has this form is checked when a step is traced. What the
numbers are can be known on the device alone. There they are counted, by one
small operation a step, and the host looks at the counts now and then.
"""

from __future__ import annotations

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
    """Takes a batch apart.

    Args:
        data: An element of the user's data set.
        free_form: Whether images may be any structure of tensors, since an
            augmenter makes images of it.

    Returns:
        The images, and int32 or int64 [b], the samples' numbers.

    Raises:
        InputError: If the element is not (images, sample_ids).
    """
    parts = list(data) if isinstance(data, (tuple, list)) else [data]
    # Keras adds the targets and weights that it was not given.
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
        sample_ids = tf.cast(sample_ids, tf.int64)  # To gather by.
    return images, sample_ids


class SampleCounts:
    """Counts on the devices how often each sample was seen in an epoch.

    Args:
        num_examples: N.
        strategy: Of the model; every replica counts what it sees.
        distinct: Whether samples should have numbers of their own in an
            epoch, as in training. Images to evaluate may be few ones often.
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
            # The last one counts all that is no number of a sample.
            self._counts = tf.Variable(
                tf.zeros([num_examples + 1]),
                trainable=False,
                aggregation=tf.VariableAggregation.NONE,
                name="sample_counts",
            )

    def count(self, sample_ids: tf.Tensor) -> tf.Tensor:
        """Counts a batch; to be called within a step.

        Args:
            sample_ids: int32 or int64 [b].

        Returns:
            The same, 0 in the place of what is no number of a sample: a step
            ends well on every device, and `check` refuses it afterwards.
        """
        size = tf.constant(self._size, sample_ids.dtype)
        inside = (sample_ids >= 0) & (sample_ids < size)
        places = tf.where(inside, sample_ids, size)
        ones = tf.ones_like(places, tf.float32)
        self._counts.scatter_add(tf.IndexedSlices(ones, places))
        return tf.where(inside, sample_ids, tf.zeros_like(sample_ids))

    def check(self) -> None:
        """Looks at the counts; a GPU has to finish its steps for it.

        Raises:
            InputError: If there were numbers that are none of samples. They
                are then forgotten, for the next data set may be right.
        """
        parts = self._strategy.experimental_local_results(self._counts)
        counts = sum(np.asarray(part, np.float64) for part in parts)
        try:
            self._refuse(counts)
        except InputError:
            self._clear()
            raise

    def restart(self) -> None:
        """Checks what was counted, and begins to count from 0 again."""
        self.check()
        self._clear()

    def _clear(self) -> None:
        self._counts.assign(tf.zeros_like(self._counts))

    def _refuse(self, counts: np.ndarray) -> None:
        """Raises an `InputError` if counts [N + 1] are not of samples."""
        seen = int(counts.sum())
        _refuse_outside(int(counts[-1]), seen, self._size)
        different = int(np.count_nonzero(counts[:-1]))
        # Half, since some draw samples with replacement, or go from one epoch
        # to the next within a batch.
        if self._distinct and 2 * different < min(seen, self._size):
            raise InputError(
                "Expected a different number for each training image. "
                f"Received: {different} different numbers for {seen} images, "
                f"as class labels would be. {_HOW}"
            )


def check_numbers(sample_ids: np.ndarray, num_examples: int) -> None:
    """Checks numbers that are on the host.

    Args:
        sample_ids: integer [n].
        num_examples: N.

    Raises:
        InputError: If some are none of 0 to N − 1.
    """
    outside = (sample_ids < 0) | (sample_ids >= num_examples)
    _refuse_outside(int(outside.sum()), len(sample_ids), num_examples)


def watched(
    function: Callable[[Any], Any], counts: SampleCounts
) -> Callable[[Any], Any]:
    """Has a function of steps checked after its calls 1, 2, 4, 8 and so on.

    So wrong numbers are refused at once, and the host seldom waits.

    Args:
        function: Takes an iterator, as Keras' `train_function` does.
        counts: What the steps count in.
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
    """Raises an `InputError` if any of the numbers seen was outside."""
    if outside:
        raise InputError(
            f"Expected sample numbers from 0 to {num_examples - 1}. "
            f"Received: {outside} of {seen} that are not. {_HOW}"
        )


def _are_numbers(sample_ids: Any) -> bool:
    """Returns whether something is an integer tensor [b]."""
    return (
        tf.is_tensor(sample_ids)
        and sample_ids.dtype.is_integer
        and sample_ids.shape.rank in (1, None)
    )


def _shown(data: Any) -> str:
    """Dtypes and shapes in a structure, as a user would write it."""
    if isinstance(data, dict):
        parts = (f"{name!r}: {_shown(part)}" for name, part in data.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(data, (tuple, list)):
        return "(" + ", ".join(map(_shown, data)) + ")"
    if not hasattr(data, "dtype"):
        return repr(data)
    shape = "any shape" if data.shape.rank is None else list(data.shape)
    return f"{data.dtype.name} {shape}"
