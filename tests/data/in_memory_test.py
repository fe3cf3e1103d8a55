"""Splits whose images are held in memory."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from and_tf.data import in_memory, verifying
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


@pytest.mark.parametrize("broken", [(), (BROKEN,)])
def test_many_images_are_the_same_without_a_loop(
    images: np.ndarray, broken: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In groups of two, of which the last is not full."""
    monkeypatch.setattr(in_memory, "_GROUP", 2)
    in_a_loop = hold(streamed(images, *broken), 3)
    monkeypatch.setattr(in_memory, "_MANY", N)
    at_once = hold(streamed(images, *broken), 3)
    np.testing.assert_array_equal(at_once.images, in_a_loop.images)
    np.testing.assert_array_equal(at_once.labels, in_a_loop.labels)
    assert at_once.size == N - len(broken)


@pytest.mark.parametrize("side", [None, 3])
def test_hold_leaves_out_and_names_what_cannot_be_read(
    images: np.ndarray, side: int | None
) -> None:
    held = hold(streamed(images, BROKEN), side)
    assert held.size == len(held.images) == N - 1
    assert [one.name for one in held.skipped] == ["0", "d"]
    assert held.file_names == tuple("abcefg")
    np.testing.assert_array_equal(held.labels, [0, 10, 20, 40, 50, 60])


def test_records_that_are_known_are_decoded_once_when_they_are_needed(
    images: np.ndarray, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(verifying, "LEAST", 1)
    split, calls = streamed(images, BROKEN), []
    plain = split.stream

    def encoded(seed: Seed) -> tf.data.Dataset:
        calls.append(seed)
        return plain.encoded(seed)

    stream = dataclasses.replace(
        plain, encoded=encoded, identity=lambda: "a", names="r{}".format
    )
    split = dataclasses.replace(split, stream=stream, file_names=None)
    first = hold(split, None, later=True)
    assert calls == [None]  # It was not known which of them can be read.
    held = hold(split, None, later=True)
    assert calls == [None] and held.held and held.skipped == first.skipped
    assert [one.name for one in held.skipped] == ["0", "r3"]
    assert held.size == N - 1 and held.image_shape == (H, W)
    np.testing.assert_array_equal(held.labels, [0, 10, 20, 40, 50, 60])
    assert calls == [None]
    good = np.delete(images, BROKEN, axis=0)
    for one in (first, held, held):
        np.testing.assert_array_equal(one.images, good)
        for image, number in one.stream(None):
            np.testing.assert_array_equal(image, good[number])
    assert calls == [None] * 2
