"""How many threads data sets have, and that nothing tunes them."""

from __future__ import annotations

import os
import pathlib
import threading

import numpy as np
import pytest
import tensorflow as tf

from and_tf.augmentation import ViewConfig
from and_tf.data import parallelism
from and_tf.data.pipeline import clean_batches, train_batches
from and_tf.data.split import in_memory
from and_tf.data.zero_copy import empty


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


@pytest.mark.parametrize("kind", ["clean", "views"])
def test_iterators_do_not_copy_the_images_that_they_read(kind: str) -> None:
    def batches(count: int) -> tf.data.Dataset:
        images = empty((count, 32, 32, 3))
        images[:] = 0
        split = in_memory("split", images, None)
        if kind == "clean":
            return clean_batches(split, 8, 2)
        view = ViewConfig(8)
        return train_batches(split, view, batch_size=2, seed=0, epochs=1)

    next(iter(batches(4)))  # What TensorFlow allocates once for all.
    many = batches(60_000)  # 184 MB.
    before = private_bytes()
    iterator = iter(many)
    next(iterator)
    assert private_bytes() - before < 90e6


def private_bytes() -> int:
    """Returns the memory of this process that no file backs."""
    (line,) = [
        line
        for line in pathlib.Path("/proc/self/status").read_text().splitlines()
        if line.startswith("RssAnon")
    ]
    return int(line.split()[1]) * 1024
