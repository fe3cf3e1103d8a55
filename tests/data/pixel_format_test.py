"""Tests of the channels of images and of the range of their values."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from and_tf.data import image_file, pixel_format
from and_tf.data.pixel_format import PixelFormat, fitting
from and_tf.data.walking import Refused
from and_tf.utils.errors import InputError
from and_tf.utils.pixel_ranges import parse


def test_values_become_levels():
    form = PixelFormat(2, (0.0, -1.0), (510.0, 1.0))
    values = np.array([[-9, -2], [0, -1], [1, 0.1], [2, 1], [600, np.nan]])
    np.testing.assert_array_equal(
        form.levels(values), [[0, 0], [0, 0], [0, 140], [1, 255], [255, 0]]
    )


def test_levels_come_back_from_their_values():
    form = PixelFormat(3, (0.0, 1e6, -0.02), (4095.0, 1.001e6, 0.7))
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    values = form.values(levels)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(form.levels(values), levels)
    assert PixelFormat.of(form.description) == form


def test_levels_stay_without_a_range():
    pixels = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    assert PixelFormat(2).levels(pixels) is pixels
    with pytest.raises(Refused, match="of uint16 values without"):
        PixelFormat(2).levels(pixels.astype(np.uint16))


def test_a_range_is_measured(rng):
    images = rng.normal(1000, 300, (9, 8, 8, 5)).astype(np.float32)
    images[0, :, 0] = np.nan
    form = pixel_format.resolve(5, "", 9, lambda i: images[i])
    for channel in range(5):
        values = images[..., channel]
        ends = np.percentile(values[np.isfinite(values)], (0.5, 99.5))
        found = form.low[channel], form.high[channel]
        np.testing.assert_allclose(found, ends, rtol=1e-6)


@pytest.mark.parametrize(
    ("channels", "text", "dtype", "ranged"),
    [
        (5, "", np.uint8, False),
        (5, "", np.uint16, True),
        (3, "", np.uint16, False),  # RGB is read as it was.
        (3, "auto", np.uint16, True),
        (1, "auto", np.uint8, True),
        (1, "0,99", np.uint8, True),
    ],
)
def test_a_range_is_needed(channels, text, dtype, ranged):
    image = np.zeros((4, 4, channels), dtype)
    form = pixel_format.resolve(channels, text, 1, lambda _: image)
    assert (form.channels, form.ranged) == (channels, ranged)


def test_a_range_needs_values():
    with pytest.raises(
        InputError, match="Received none that can be read with --channels=5"
    ):
        pixel_format.resolve(5, "auto", 3, lambda _: None)
    with pytest.raises(InputError, match="Expected no --pixel_range"):
        pixel_format.resolve(3, "auto", 3, None)
    for text in ("5", "5,5", "9,1", "a,b", "0,nan", "0,inf", "1,2,3"):
        with pytest.raises(InputError, match="auto or LOW,HIGH"):
            parse(text)


def test_arrays_get_channels(rng):
    pixels = rng.integers(0, 256, (7, 6, 3), np.uint8)
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    np.testing.assert_array_equal(fitting(pixels, 1)[..., 0], grey)
    np.testing.assert_array_equal(fitting(grey, 3), np.dstack([grey] * 3))
    with pytest.raises(Refused, match="of 1 band, where --channels=5"):
        fitting(grey, 5)


def test_grey_and_opacity_of_files(rng):
    pixels = rng.integers(0, 256, (9, 8, 4), np.uint8)
    image, file = Image.fromarray(pixels), io.BytesIO()
    image.save(file, "PNG")
    found = image_file.read_image(file, PixelFormat(4))
    np.testing.assert_array_equal(found[..., :3], image_file.read_image(file))
    np.testing.assert_array_equal(found[..., 3], pixels[..., 3])
    white = Image.new("RGBA", image.size, "white")
    grey = Image.alpha_composite(white, image).convert("L")
    found = image_file.read_image(file, PixelFormat(1))
    np.testing.assert_array_equal(found[..., 0], np.asarray(grey))
    told = image_file.read_header(file, PixelFormat(5))
    assert told == "of 4 bands, where --channels=5 was expected"
