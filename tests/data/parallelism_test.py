"""How many threads data sets have, and that nothing tunes them."""

from __future__ import annotations

import os
import threading

import numpy as np
import tensorflow as tf

from and_tf.augmentation import ViewConfig
from and_tf.data import parallelism
from and_tf.data.pipeline import clean_batches, train_batches
from and_tf.data.split import in_memory


def test_as_many_elements_are_computed_at_once_as_there_are_cores() -> None:
    cores = os.cpu_count() or 1
    together = threading.Barrier(cores)

    def meet(number: np.ndarray) -> np.ndarray:
        together.wait(timeout=60)  # Breaks where too few come.
        return number

    dataset = tf.data.Dataset.range(4 * cores).map(
        lambda number: tf.numpy_function(meet, [number], tf.int64),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    found = list(parallelism.fixed(dataset).as_numpy_iterator())
    assert found == list(range(4 * cores))


def test_other_options_stay() -> None:
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    dataset = tf.data.Dataset.range(3).with_options(options)
    found = parallelism.fixed(dataset).options()
    assert found.threading.max_intra_op_parallelism == 1
    assert found.autotune.enabled is False


def test_nothing_tunes_what_trainings_and_evaluations_iterate_over() -> None:
    split = in_memory("split", np.zeros((5, 8, 8, 3), np.uint8), None)
    views = train_batches(split, ViewConfig(8), batch_size=2, seed=0, epochs=1)
    clean = clean_batches(split, 8, 2)
    for dataset in views, clean, clean.map(lambda images, _: images):
        assert dataset.options().autotune.enabled is False
