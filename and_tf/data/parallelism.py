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

    The thread keeps its process alive. One that goes on for long asks
    `abandoned` between two steps, so that a process can end; threads of
    `concurrent.futures` are waited for before that could be told.

    Args:
        compute: What is to be computed.

    Returns:
        What waits for the result and gives it, or raises what was raised;
        as often as it is called.
    """
    future = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(compute())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name=f"{__name__}.begin").start()
    return future.result


def abandoned() -> bool:
    """Whether the main thread has ended, which nobody outlives with use."""
    return not threading.main_thread().is_alive()


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
