"""Splits: streams, subsets and holding in memory."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from and_tf.data.split import (
    Split,
    Stream,
    captured,
    hold,
    in_memory,
    shuffled_numbers,
    subset,
    take,
)  # fmt: skip

N, H, W = 7, 4, 6
BROKEN = 3


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (N, H, W, 3), np.uint8)


def _streamed(images: np.ndarray, broken: int = -1) -> Split:
    """A split whose encoded images are their numbers."""

    def decode(number: tf.Tensor) -> tf.Tensor:
        image = tf.gather(captured(images), number)
        return image[: tf.where(number == broken, 0, H)]

    def encoded(seed: tf.Tensor | None) -> tf.data.Dataset:
        return shuffled_numbers(N, seed).map(lambda n: (n, n))

    return Split(
        "s", N, (H, W), Stream(encoded, decode), np.arange(N) * 10,
        class_names=("a", "b"), file_names=tuple("abcdefg"), skipped=("0",),
    )  # fmt: skip


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
    split = _streamed(images)
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
    split = _streamed(images)
    if kind == "memory":
        split = hold(split, None)
    part = take(take(split, np.array([0, 2, 3, 6])), np.array([1, 3]))
    assert part.size == 2
    assert part.file_names == ("c", "g")
    assert part.class_names == ("a", "b")
    assert part.skipped == ("0",)
    np.testing.assert_array_equal(part.labels, [20, 60])
    for image, number in part.stream(None):
        np.testing.assert_array_equal(image, images[[2, 6]][number])
    assert _numbers(part.stream(None)) == [0, 1]
    np.testing.assert_array_equal(np.sort(_epochs(part, 3)), [[0, 1]] * 3)


def test_subset_is_fixed_by_its_seed(images: np.ndarray) -> None:
    split = _streamed(images)
    first = subset(split, 4, seed=1).file_names
    assert subset(split, 4, seed=1).file_names == first
    assert {subset(split, 4, seed=s).file_names for s in range(9)} > {first}
    assert len(first) == 4 and list(first) == sorted(set(first))
    assert subset(hold(split, None), 4, seed=1).file_names == first
    for everything in (0, N, N + 1):
        assert subset(split, everything, seed=1) is split


def test_hold_keeps_images_as_they_are(images: np.ndarray) -> None:
    held = hold(_streamed(images), None)
    np.testing.assert_array_equal(held.images, images)
    np.testing.assert_array_equal(held.labels, np.arange(N) * 10)
    assert held.image_shape == (H, W)


def test_hold_keeps_the_centre_square(images: np.ndarray) -> None:
    held = hold(take(_streamed(images), np.array([2, 5])), H)
    np.testing.assert_array_equal(held.images, images[[2, 5], :, 1:5])
    held = hold(_streamed(images), 2)
    for image, expected in zip(held.images, images[:, :, 1:5]):
        expected = Image.fromarray(expected).resize((2, 2), Image.BILINEAR)
        np.testing.assert_allclose(
            image.astype(int), np.asarray(expected), atol=1
        )


@pytest.mark.parametrize("side", [None, 3])
def test_hold_leaves_out_and_names_what_cannot_be_read(
    images: np.ndarray, side: int | None
) -> None:
    held = hold(_streamed(images, BROKEN), side)
    assert held.size == len(held.images) == N - 1
    assert held.skipped == ("0", "d")
    assert held.file_names == tuple("abcefg")
    np.testing.assert_array_equal(held.labels, [0, 10, 20, 40, 50, 60])


def test_stream_names_what_cannot_be_read(images: np.ndarray) -> None:
    stream = _streamed(images, BROKEN).stream(None)
    with pytest.raises(tf.errors.InvalidArgumentError, match="can be read"):
        _numbers(stream)
