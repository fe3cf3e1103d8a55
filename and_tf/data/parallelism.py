"""How many threads a data set has."""

from __future__ import annotations

import os

import tensorflow as tf


def fixed(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Has a data set use all cores from its start to its end, untuned.

    What asks for `tf.data.AUTOTUNE` gets as many threads as there are cores.
    The tuner that would choose their number sleeps between two looks, twice
    as long each time, and who deletes an iterator waits for it: it is woken,
    but often before it can see why, and goes back to sleep. Half of all
    passes over a data set took up to twice as long for it, and `fit` up to a
    minute longer.

    Args:
        dataset: The outermost of its data sets that anybody iterates over.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    # No more than TensorFlow's pool has: of more, as many as that.
    options.autotune.initial_parallelism = os.cpu_count()
    return dataset.with_options(options)
