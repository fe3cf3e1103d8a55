"""Arrays whose memory TensorFlow reads, instead of a copy of it.

What is held of a data set would otherwise be held twice; and of a start, a
copy takes longer than all else that is done with held images: new pages come
slowly.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

# TensorFlow's kernels read vectors as wide as a cache line.
_ALIGNMENT = 64


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised uint8 array that `captured` need not copy."""
    size = math.prod(shape)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size].reshape(shape)


def shareable(images: np.ndarray) -> np.ndarray:
    """uint8 images as they are where `captured` need not copy them, or else
    a copy of which that can be said."""
    if _can_be_shared(images):
        return images
    copy = empty(images.shape)
    copy[:] = images
    return copy


def captured(array: np.ndarray) -> tf.Tensor:
    """An eager CPU tensor, which a graph captures and does not contain.

    It shares the array's memory where that can be, and keeps it alive: the
    array must not be written to any more.
    """
    with tf.init_scope(), tf.device("CPU:0"):
        if not _can_be_shared(array):
            return tf.constant(array)
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def _can_be_shared(array: np.ndarray) -> bool:
    whole = array.flags.c_contiguous and array.flags.writeable and array.size
    return bool(whole) and array.ctypes.data % _ALIGNMENT == 0
