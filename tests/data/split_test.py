"""Splits: streams and subsets."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.data.in_memory import hold
from and_tf.data.split import Split, in_memory, subset, take
from tests.data.streamed import BROKEN, H, N, W, streamed


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (N, H, W, 3), np.uint8)


def _numbers(dataset: tf.data.Dataset) -> list[int]:
    return [int(number) for _, number in dataset]


def _epochs(split: Split, count: int, seed: int = 5) -> np.ndarray:
    """Numbers `[count, n]` of epochs whose seeds are symbolic."""
    dataset = tf.data.Dataset.range(count).flat_map(
        lambda epoch: split.stream(tf.stack([np.int64(seed), epoch]))
    )
    return np.reshape(_numbers(dataset), (count, -1))


@pytest.mark.parametrize("kind", ["memory", "stream"])
def test_order_is_that_of_number_or_follows_from_a_symbolic_seed(
    images: np.ndarray, kind: str
) -> None:
    split = streamed(images)
    if kind == "memory":
        split = in_memory("m", images, None)
    for image, number in split.stream(tf.constant([1, 2], tf.int64)):
        np.testing.assert_array_equal(image, images[number])
    epochs = _epochs(split, 3)
    assert _numbers(split.stream(None)) == list(range(N))
    np.testing.assert_array_equal(np.sort(epochs), [range(N)] * 3)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    tf.random.set_seed(0)
    np.testing.assert_array_equal(_epochs(split, 3), epochs)
    assert (_epochs(split, 3, seed=6) != epochs).any()


def test_labels_are_read_once_and_only_when_asked_for(
    images: np.ndarray,
) -> None:
    calls = []

    def labels() -> np.ndarray:
        calls.append(1)
        return np.arange(N)

    split = in_memory("m", images, labels)
    part = take(take(split, np.array([1, 2, 5])), np.array([0, 2]))
    assert not calls
    np.testing.assert_array_equal(part.labels, [1, 5])
    np.testing.assert_array_equal(split.labels, range(N))
    assert len(calls) == 1
    assert take(in_memory("m", images, None), np.array([1])).labels is None


@pytest.mark.parametrize("kind", ["memory", "stream"])
def test_taking_twice_counts_anew_each_time(
    images: np.ndarray, kind: str
) -> None:
    split = streamed(images)
    if kind == "memory":
        split = hold(split, None)
    part = take(take(split, np.array([0, 2, 3, 6])), np.array([1, 3]))
    assert part.size == 2
    assert part.file_names == ("c", "g")
    assert part.class_names == ("a", "b")
    assert [skipped.name for skipped in part.skipped] == ["0"]
    np.testing.assert_array_equal(part.labels, [20, 60])
    for image, number in part.stream(None):
        np.testing.assert_array_equal(image, images[[2, 6]][number])
    assert _numbers(part.stream(None)) == [0, 1]
    np.testing.assert_array_equal(np.sort(_epochs(part, 3)), [[0, 1]] * 3)


def test_subset_is_fixed_by_its_seed(images: np.ndarray) -> None:
    split = streamed(images)
    first = subset(split, 4, seed=1).file_names
    assert subset(split, 4, seed=1).file_names == first
    assert {subset(split, 4, seed=s).file_names for s in range(9)} > {first}
    assert len(first) == 4 and list(first) == sorted(set(first))
    assert subset(hold(split, None), 4, seed=1).file_names == first
    for everything in (0, N, N + 1):
        assert subset(split, everything, seed=1) is split


def test_stream_names_what_cannot_be_read(images: np.ndarray) -> None:
    stream = streamed(images, BROKEN).stream(None)
    with pytest.raises(tf.errors.InvalidArgumentError, match="can be read"):
        _numbers(stream)
