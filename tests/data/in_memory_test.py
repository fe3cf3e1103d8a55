"""Splits whose images are held in memory."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from and_tf.data.in_memory import hold
from and_tf.data.split import Seed, take
from tests.data.streamed import BROKEN, H, N, W, streamed


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (N, H, W, 3), np.uint8)


def test_hold_keeps_images_as_they_are(images: np.ndarray) -> None:
    held = hold(streamed(images), None)
    np.testing.assert_array_equal(held.images, images)
    np.testing.assert_array_equal(held.labels, np.arange(N) * 10)
    assert held.image_shape == (H, W)


def test_hold_keeps_the_centre_square(images: np.ndarray) -> None:
    held = hold(take(streamed(images), np.array([2, 5])), H)
    np.testing.assert_array_equal(held.images, images[[2, 5], :, 1:5])
    held = hold(streamed(images), 2)
    for image, expected in zip(held.images, images[:, :, 1:5]):
        expected = Image.fromarray(expected).resize((2, 2), Image.BILINEAR)
        np.testing.assert_allclose(
            image.astype(int), np.asarray(expected), atol=1
        )


@pytest.mark.parametrize("side", [None, 3])
def test_hold_leaves_out_and_names_what_cannot_be_read(
    images: np.ndarray, side: int | None
) -> None:
    held = hold(streamed(images, BROKEN), side)
    assert held.size == len(held.images) == N - 1
    assert [one.name for one in held.skipped] == ["0", "d"]
    assert held.file_names == tuple("abcefg")
    np.testing.assert_array_equal(held.labels, [0, 10, 20, 40, 50, 60])


def test_hold_decodes_once_and_if_wanted_not_before_images_are_read(
    images: np.ndarray,
) -> None:
    split, calls = streamed(images), []

    def encoded(seed: Seed) -> tf.data.Dataset:
        calls.append(seed)
        return split.stream.encoded(seed)

    stream = dataclasses.replace(split.stream, encoded=encoded)
    held = hold(
        dataclasses.replace(split, stream=stream, file_names=None),
        None,
        later=True,
    )
    assert held.held and held.size == N and held.image_shape == (H, W)
    np.testing.assert_array_equal(held.labels, np.arange(N) * 10)
    assert not calls
    for _ in range(2):
        np.testing.assert_array_equal(held.images, images)
        for image, number in held.stream(None):
            np.testing.assert_array_equal(image, images[number])
    assert calls == [None]
