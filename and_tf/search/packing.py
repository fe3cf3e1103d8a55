"""Packs several tensors into one, to copy them to the host in one transfer.

A transfer waits for the device, which costs more than copying the few bytes of
a result. The words are unsigned, because TensorFlow keeps int32 results of a
GPU's functions in the host's memory, but uint32 results on the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf


class Packing:
    """A packing of several tensors' rows side by side in one tensor.

    `pack` is called while a function is traced, and records dtypes and shapes.
    The other methods then unpack every result of that function.
    """

    def __init__(self) -> None:
        self._fields: list[tuple[np.dtype, tuple[int, ...]]] = []

    def pack(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Packs tensors into one.

        Args:
            tensors: [q, …] each, with 4 or 8 bytes per number.

        Returns:
            uint32 [q, number of words].
        """
        self._fields = [
            (np.dtype(t.dtype.as_numpy_dtype), tuple(t.shape[1:]))
            for t in tensors
        ]
        words = [
            tf.reshape(tf.bitcast(t, tf.uint32), [t.shape[0], -1])
            for t in tensors
        ]
        return tf.concat(words, axis=1)

    def empty(self, count: int) -> tuple[np.ndarray, ...]:
        """Makes empty arrays [count, …] for the unpacked rows."""
        return tuple(
            np.empty((count, *shape), dtype) for dtype, shape in self._fields
        )

    def unpack(self, words: np.ndarray, arrays: Iterable[np.ndarray]) -> None:
        """Unpacks words into arrays, which may have fewer rows.

        Args:
            words: uint32 [q, number of words], a result of `pack`.
            arrays: Parts of the arrays from `empty`, with n ≤ q rows each.
        """
        start = 0
        for array in arrays:
            count = len(array)
            stop = start + array[:1].nbytes // words.itemsize
            mine = np.ascontiguousarray(words[:count, start:stop])
            array[...] = mine.view(array.dtype).reshape(array.shape)
            start = stop


def fetched(tensors: Iterable[tf.Tensor]) -> Iterator[np.ndarray]:
    """Copies each tensor to the host after launching the next one.

    So the device computes the next tensor while the host takes the last one,
    and at most two of them are in its memory.
    """
    waiting = None
    for tensor in tensors:
        if waiting is not None:
            yield fetch(waiting)
        waiting = tensor
    if waiting is not None:
        yield fetch(waiting)


def fetch(tensor: tf.Tensor) -> np.ndarray:
    """Waits for a tensor and returns it as an array."""
    return tensor.numpy()
