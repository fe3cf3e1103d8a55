"""Sets how many threads a data set has, and starts work in the background."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf

T = TypeVar("T")


def begin(compute: Callable[[], T]) -> Callable[[], T]:
    """Begins a computation in a thread of its own.

    The thread keeps its process alive. A long computation should call
    `abandoned` between its steps, so that the process can end. An executor of
    `concurrent.futures` cannot do this: Python waits for its threads before
    `abandoned` could return True.

    Args:
        compute: A function without arguments.

    Returns:
        A function that waits for the result and returns it, or raises the
        error of `compute`. It may be called several times.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(compute())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name=f"{__name__}.begin").start()
    return future.result


def abandoned() -> bool:
    """Returns whether the main thread has ended, so that work is useless."""
    return not threading.main_thread().is_alive()


def fixed(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Makes a data set use all cores from start to end, as it was written.

    Operations with `tf.data.AUTOTUNE` get as many threads as there are cores.
    TensorFlow's tuner would choose their number, but it sleeps between its
    measurements, twice as long each time, and deleting an iterator waits for
    it: the tuner is woken, but often too early to notice the end, and sleeps
    again. Because of this, half of all passes over a data set took up to
    twice as long, and `fit` took up to a minute longer.

    TensorFlow's default optimisations are left out, too. They rewrite the
    graph of each iterator, and copy for that every array that it captures,
    such as all images in memory. Of CIFAR-10, neither views nor clean images
    came faster with them.

    Args:
        dataset: The outermost data set of a pipeline, which is iterated over.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    # TensorFlow limits this to the size of its thread pool.
    options.autotune.initial_parallelism = os.cpu_count()
    return dataset.with_options(options)
