"""Memory that TensorFlow shares, seen by writing into it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import tensorflow as tf

from and_tf.data.zero_copy import captured, empty, shareable


def test_shares_what_it_allots() -> None:
    array = empty((5, 3, 2))
    array[:] = 1
    tensor = captured(array)
    array[4, 2, 1] = 9
    assert tensor.dtype == tf.uint8 and tensor.shape == (5, 3, 2)
    assert tensor[4, 2, 1] == 9 and tf.reduce_sum(tensor) == 29 + 9


def test_copies_what_does_not_begin_at_a_cache_line() -> None:
    array = empty((65,))[1:]
    array[:] = np.arange(64)
    tensor = captured(array)
    array[:] = 0
    np.testing.assert_array_equal(tensor[2:5], [2, 3, 4])


def test_copies_what_is_read_only_strided_or_empty() -> None:
    numbers = np.arange(10)
    numbers.flags.writeable = False
    np.testing.assert_array_equal(captured(numbers), range(10))
    np.testing.assert_array_equal(captured(np.arange(10)[::2]), [0, 2, 4, 6, 8])
    assert captured(np.zeros((0, 3))).shape == (0, 3)


def test_shareable_copies_once() -> None:
    images = empty((97,))[1:].reshape(4, 4, 2, 3)
    images[:] = np.arange(96).reshape(images.shape)
    copy = shareable(images)
    np.testing.assert_array_equal(copy, images)
    assert not np.shares_memory(copy, images)
    assert shareable(copy) is copy


def test_lives_as_long_as_a_data_set_reads_it() -> None:
    array = empty((4,))
    array[:] = [3, 1, 4, 1]
    gone = weakref.ref(array)
    dataset = tf.data.Dataset.from_tensors(captured(array))
    del array
    gc.collect()
    assert gone() is not None
    assert next(dataset.as_numpy_iterator()).tolist() == [3, 1, 4, 1]
    del dataset
    gc.collect()
    assert gone() is None
