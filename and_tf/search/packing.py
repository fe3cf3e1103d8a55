"""Several tensors as one, so that they come to the host in one transfer.

A transfer waits for the device, which costs more than the few bytes of each
result. The words are unsigned: TensorFlow keeps int32 results of a GPU's
functions in the host's memory, and uint32 where they were computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf


class Packing:
    """Lays the rows of several tensors side by side, and takes them apart.

    `pack` is called while a function is traced, and notes what it was given.
    The other methods then serve every result of that function.
    """

    def __init__(self) -> None:
        self._fields: list[tuple[np.dtype, tuple[int, ...]]] = []

    def pack(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Packs tensors into one.

        Args:
            tensors: [q, …] each, of numbers of 4 or 8 bytes.

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
        """Makes arrays for `count` rows of what is packed: [count, …] each."""
        return tuple(
            np.empty((count, *shape), dtype) for dtype, shape in self._fields
        )

    def unpack(self, words: np.ndarray, arrays: Iterable[np.ndarray]) -> None:
        """Writes what was packed into arrays, which may have fewer rows.

        Args:
            words: uint32 [q, number of words], as `pack` made them.
            arrays: Parts of what `empty` made, n ≤ q rows each.
        """
        start = 0
        for array in arrays:
            count = len(array)
            stop = start + array[:1].nbytes // words.itemsize
            mine = np.ascontiguousarray(words[:count, start:stop])
            array[...] = mine.view(array.dtype).reshape(array.shape)
            start = stop


def fetched(tensors: Iterable[tf.Tensor]) -> Iterator[np.ndarray]:
    """Brings tensors to the host, each when the next has been launched.

    So the device computes the next while the host takes the last, and two
    are in its memory at most.
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
