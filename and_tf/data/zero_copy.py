"""Makes arrays whose memory TensorFlow reads directly, without a copy.

Otherwise a data set in memory would be held twice. A copy would also take
longer than everything else that is done with the images at the start, since
new pages of memory are slow to allocate.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

# TensorFlow's kernels read vectors as wide as a cache line.
_ALIGNMENT = 64


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Makes an uninitialised uint8 array that `captured` need not copy."""
    size = math.prod(shape)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size].reshape(shape)


def shareable(images: np.ndarray) -> np.ndarray:
    """Returns images that `captured` need not copy, a copy if necessary.

    Args:
        images: A uint8 array of any shape. It is returned as it is if possible.
    """
    if _can_be_shared(images):
        return images
    copy = empty(images.shape)
    copy[:] = images
    return copy


def captured(array: np.ndarray) -> tf.Tensor:
    """Makes an eager CPU tensor that a graph captures instead of copying it.

    The tensor shares the array's memory if possible, and keeps it alive. The
    array must not be written to afterwards.

    Args:
        array: An array of any dtype and shape.
    """
    with tf.init_scope(), tf.device("CPU:0"):
        if not _can_be_shared(array):
            return tf.constant(array)
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def _can_be_shared(array: np.ndarray) -> bool:
    whole = array.flags.c_contiguous and array.flags.writeable and array.size
    return bool(whole) and array.ctypes.data % _ALIGNMENT == 0
