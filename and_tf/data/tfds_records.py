"""TFRecord files as numbered records, in order or in a drawn one.

A record's number is its place in the files. No reader of TFDS gives that
number in a shuffled order that follows from a symbolic seed.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from and_tf.data.split import Seed

_WINDOW_BYTES = 256 * 2**20  # Of records that are shuffled together.
_LEAST_WINDOW = 256
_OPEN_FILES = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """The records of some files, or of a part of each file.

    Attributes:
        files: string `[F]`.
        skip: int64 `[F]`: records to leave out at a file's beginning.
        take: int64 `[F]`: records to read after them.
        record_bytes: Mean size of a record.
    """

    files: np.ndarray
    skip: np.ndarray
    take: np.ndarray
    record_bytes: float

    @property
    def size(self) -> int:
        """N, the number of records."""
        return int(self.take.sum())

    def __call__(self, seed: Seed) -> tf.data.Dataset:
        """Gives (record, number): in order, or as drawn from `seed`.

        Several files are read at a time, in a drawn order; what comes is
        shuffled in windows. `Dataset.shuffle` would do instead, but for its
        order, which also follows from TensorFlow's global seed.

        Args:
            seed: None or int64 `[2]`, maybe symbolic.

        Raises:
            tf.errors.FailedPreconditionError: When read, if there are fewer.
        """
        # Where a file has fewer records than its data set says, the numbers
        # of all images after them would be wrong: it fails instead.
        whole = tf.data.experimental.assert_cardinality(self.size)
        if seed is None:
            return self._columns().flat_map(_read).apply(whole)
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(self.files)), seed
        )
        window = max(int(_WINDOW_BYTES / self.record_bytes), _LEAST_WINDOW)

        def shuffle(index: tf.Tensor, window: tuple) -> tuple:
            records, numbers = window
            order = tf.random.experimental.stateless_shuffle(
                tf.range(tf.size(numbers)),
                tf.random.experimental.stateless_fold_in(seed, index),
            )
            return tf.gather(records, order), tf.gather(numbers, order)

        return (
            self._interleaved(self._columns(order), deterministic=True)
            .batch(min(window, self.size))
            .enumerate(1)
            .map(shuffle)
            .prefetch(1)
            .unbatch()
            .apply(whole)
        )

    def unordered(self) -> tf.data.Dataset:
        """Gives (record, number) as they come, the quickest way."""
        return self._interleaved(self._columns(), deterministic=False)

    def _columns(self, order: tf.Tensor | None = None) -> tf.data.Dataset:
        """Gives (file, skip, take, number of its first record)."""
        first = np.cumsum(self.take) - self.take
        columns = self.files, self.skip, self.take, first
        if order is not None:
            columns = tuple(tf.gather(column, order) for column in columns)
        return tf.data.Dataset.from_tensor_slices(columns)

    def _interleaved(
        self, columns: tf.data.Dataset, deterministic: bool
    ) -> tf.data.Dataset:
        return columns.interleave(
            _read,
            cycle_length=min(_OPEN_FILES, len(self.files)),
            block_length=16,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=deterministic,
        )


def _read(
    file: tf.Tensor, skip: tf.Tensor, take: tf.Tensor, first: tf.Tensor
) -> tf.data.Dataset:
    """Gives (record, number) of one file."""
    records = tf.data.TFRecordDataset(file)
    numbers = tf.data.Dataset.range(first, first + take)
    return tf.data.Dataset.zip(records.skip(skip).take(take), numbers)
