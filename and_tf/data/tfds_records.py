"""Reads TFRecord files as numbered records, in order or shuffled.

A record's number is its position in the files. No reader of TFDS returns this
number in a shuffled order that depends on a symbolic seed.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import tensorflow as tf

from and_tf.data.readers import record_files
from and_tf.data.split import Seed
from and_tf.data.walking import utf8
from and_tf.utils import unexpected
from and_tf.utils.progress import Counted

_WINDOW_BYTES = 256 * 2**20  # The size of records that are shuffled together.
_LEAST_WINDOW = 256  # The least number of such records.
_OPEN_FILES = 16
_SHOWN_FILES = 100  # From this number on, a search in files shows progress.


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """The records of some files, or of a part of each file.

    Attributes:
        files: bytes `[F]`, the paths of the files.
        skip: int64 `[F]`, the number of records to skip at the beginning of
            each file.
        take: int64 `[F]`, the number of records to read after them.
        record_bytes: The mean size of a record, in bytes.
    """

    files: np.ndarray
    skip: np.ndarray
    take: np.ndarray
    record_bytes: float

    @property
    def size(self) -> int:
        """The number of records N."""
        return int(self.take.sum())

    def __call__(self, seed: Seed) -> tf.data.Dataset:
        """Returns a data set of (record, number), in order or shuffled.

        To shuffle, several files are read at a time, in a random order, and
        their records are shuffled in windows. `Dataset.shuffle` is not used,
        as its order also depends on TensorFlow's global seed.

        Args:
            seed: None for the order of number, or a seed, int64 `[2]`, that
                may be symbolic.

        Raises:
            tf.errors.FailedPreconditionError: If there are fewer than N
                records. It is raised when they are read.
        """
        # If a file had fewer records than its data set says, the numbers of
        # all later images would be wrong, so reading fails instead.
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

    def name_of(self, number: int) -> str:
        """Names a record as TFDS does in its feature `tfds_id`.

        Args:
            number: The number of the record.

        Returns:
            The file's name and the record's place in it, from 0, such as
            "mnist-train.tfrecord-00000-of-00001__12".
        """
        file, place = self._place(number)
        return f"{utf8(os.path.basename(file))}__{place}"

    def read(self, number: int) -> bytes:
        """Reads one record. Only a few should be read so, as it takes long.

        Args:
            number: The number of the record.

        Raises:
            InputError, OSError: If its file cannot be read.
        """
        file, place = self._place(number)
        return record_files.opened(file, record_files.TFRECORD).get(place)

    def _place(self, number: int) -> tuple[str, int]:
        """Returns the path of a record's file, and its place in it, from 0."""
        ends = np.cumsum(self.take)
        index = int(np.searchsorted(ends, number, side="right"))
        first = ends[index] - self.take[index]
        place = int(self.skip[index] + number - first)
        return os.fsdecode(self.files[index]), place

    def damage(self) -> tuple[str, str] | None:
        """Finds the first damaged file, and reads all files before it.

        Returns:
            Its path and what is wrong with it, or None if all are whole.
        """
        with Counted("find the damaged file", len(self.files)) as progress:
            for file, most in zip(self.files, self.skip + self.take):
                records = tf.data.TFRecordDataset(file).take(most)
                path = utf8(os.fsdecode(file))
                try:
                    count = records.reduce(np.int64(0), lambda n, _: n + 1)
                except tf.errors.OpError as error:
                    return path, unexpected.brief(error)
                if count < most:
                    return path, f"{count} of {most} records"
                if len(self.files) >= _SHOWN_FILES:
                    progress.advance(1)
        return None

    def unordered(self) -> tf.data.Dataset:
        """Returns (record, number) in any order, as fast as possible."""
        return self._interleaved(self._columns(), deterministic=False)

    def _columns(self, order: tf.Tensor | None = None) -> tf.data.Dataset:
        """Returns (file, skip, take, number of its first record) per file."""
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
    """Returns (record, number) of one file."""
    records = tf.data.TFRecordDataset(file)
    numbers = tf.data.Dataset.range(first, first + take)
    return tf.data.Dataset.zip(records.skip(skip).take(take), numbers)
