"""Records by number, of files that TensorFlow writes."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from and_tf.data import tfds_records
from and_tf.data.tfds_records import Records

TAKE = [5, 1, 9, 3]
SKIP = [0, 2, 1, 0]


@pytest.fixture
def some(tmp_path: pathlib.Path) -> Records:
    """Parts of four files; a record says what its number should be."""
    files, number = [], 0
    for index, (skip, take) in enumerate(zip(SKIP, TAKE)):
        files.append(str(tmp_path / str(index)).encode())
        with tf.io.TFRecordWriter(files[-1].decode()) as writer:
            for _ in range(skip):
                writer.write(b"before")
            for _ in range(take):
                writer.write(str(number).encode())
                number += 1
            writer.write(b"after")
    return Records(np.array(files), np.array(SKIP), np.array(TAKE), 1.0)


def _numbers(dataset: tf.data.Dataset) -> list[int]:
    pairs = [(int(r), int(n)) for r, n in dataset.as_numpy_iterator()]
    assert all(record == number for record, number in pairs)
    return [number for _, number in pairs]


def _epochs(some: Records, seed: int, count: int = 4) -> np.ndarray:
    """Numbers `[count, N]` of epochs whose seeds are symbolic."""
    dataset = tf.data.Dataset.range(count).flat_map(
        lambda epoch: some(tf.stack([np.int64(seed), epoch]))
    )
    return np.reshape(_numbers(dataset), (count, -1))


def test_numbers_are_places_in_the_files(some: Records) -> None:
    assert some.size == sum(TAKE)
    assert _numbers(some(None)) == list(range(sum(TAKE)))
    assert sorted(_numbers(some.unordered())) == list(range(sum(TAKE)))


@pytest.mark.parametrize("window", [256, 4])
def test_order_follows_from_a_symbolic_seed_alone(
    some: Records, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tfds_records, "_WINDOW_BYTES", window)
    monkeypatch.setattr(tfds_records, "_LEAST_WINDOW", 4)
    epochs = _epochs(some, 1)
    assert (np.sort(epochs) == range(sum(TAKE))).all()
    assert len({tuple(epoch) for epoch in epochs}) == 4
    tf.random.set_seed(0)
    np.testing.assert_array_equal(_epochs(some, 1), epochs)
    assert (_epochs(some, 2) != epochs).any()


def test_every_number_comes_to_every_place(some: Records) -> None:
    places = np.argsort(_epochs(some, 7, 40))  # [40, N]
    middle, deviation = (sum(TAKE) - 1) / 2, sum(TAKE) / 12**0.5 / 40**0.5
    assert np.abs(places.mean(0) - middle).max() < 4 * deviation
