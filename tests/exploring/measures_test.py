"""Measures of images, against closed forms and what they should not see."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from and_tf.exploring import measures
from tests.exploring import photographs


def _of(image: Image.Image) -> measures.Measures:
    return measures.measure(measures.shrunk(np.asarray(image)))


def test_a_plain_image_and_one_of_two_halves():
    plain = _of(Image.new("RGB", (40, 30), (51, 51, 51)))
    np.testing.assert_allclose(plain, (0.2, 0, 0, 1), atol=1e-6)
    halves = Image.new("RGB", (40, 30), "white")
    halves.paste("black", (0, 0, 10, 30))
    found = _of(halves)
    assert found.brightness == pytest.approx(0.75)
    assert found.contrast == pytest.approx(1)
    assert found.one_colour == pytest.approx(0.75)


def test_sharpness_follows_blur_and_neither_size_nor_contrast():
    for tile in photographs.tiles()[8:]:
        sharp = _of(tile).sharpness
        for radius in (1, 2, 4):
            blurred = tile.filter(ImageFilter.GaussianBlur(radius))
            before, sharp = sharp, _of(blurred).sharpness
            assert sharp < before
    tile = photographs.tiles()[4]
    pale = tile.point(lambda value: value // 2 + 60)
    assert _of(pale).sharpness == pytest.approx(_of(tile).sharpness, rel=0.1)


def test_large_images_are_measured_at_a_bounded_size():
    assert measures.shrunk(np.zeros((300, 1200, 3), np.uint8)).size == (256, 64)
    assert measures.shrunk(np.zeros((1, 3000, 3), np.uint8)).size == (256, 1)
    assert measures.shrunk(np.zeros((20, 30, 3), np.uint8)).size == (30, 20)


def test_thumbnails_show_the_centre():
    image = Image.new("RGB", (300, 100), "red")
    image.paste("blue", (100, 0, 200, 100))
    file = io.BytesIO(measures.thumbnail(measures.shrunk(np.asarray(image))))
    pixels = np.asarray(Image.open(file))
    assert pixels.shape == (96, 96, 3)
    assert pixels[5:-5, 5:-5, 0].max() < 40 < 200 < pixels[..., 2].min()
