"""Tests of reading TIFFs of several bands, and of more than 8 bits."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from and_tf import data
from and_tf.data import image_file, pixel_budget
from and_tf.data.pixel_format import PixelFormat
from and_tf.utils.errors import InputError


@pytest.fixture
def bands(rng) -> np.ndarray:
    return rng.integers(0, 5000, (20, 24, 5)).astype(np.uint16)


def written(pixels: np.ndarray, **options) -> io.BytesIO:
    file = io.BytesIO()
    options = {"photometric": "minisblack", **options}
    tifffile.imwrite(file, pixels, **options)
    return file


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lzw", "predictor": True},
        {"compression": "deflate"},
        {"tile": (16, 16), "byteorder": ">"},
        {"planarconfig": "separate"},
    ],
    ids=str,
)
def test_bands_are_read(bands, options):
    pixels, options = bands, {"planarconfig": "contig", **options}
    if options["planarconfig"] == "separate":
        pixels = np.moveaxis(bands, 2, 0)
    file = written(pixels, **options)
    np.testing.assert_array_equal(image_file.read_values(file, 5), bands)
    header = image_file.read_header(file, PixelFormat(5))
    assert header == (20, 24, False)


def test_equal_pages_are_bands(bands):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as pages:
        for band in np.moveaxis(bands, 2, 0):
            pages.write(band, photometric="minisblack")
    np.testing.assert_array_equal(image_file.read_values(file, 5), bands)
    # Of fewer, the first page is the image, as of an animation.
    first = image_file.read_values(file, 1)
    np.testing.assert_array_equal(first, bands[..., :1])


def test_pixels_without_data(bands):
    values = bands.astype(np.float32)
    values[3, 4] = -9999
    tag = (42113, "s", 0, "-9999", True)
    file = written(values, planarconfig="contig", extratags=[tag])
    found = image_file.read_values(file, 5)
    values[3, 4] = np.nan
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright(orientation, bands):
    tag = (274, "H", 1, orientation, True)
    file = written(bands, planarconfig="contig", extratags=[tag])
    found = image_file.read_values(file, 5)
    image = Image.fromarray(bands[..., 2].astype(np.int32))
    image.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(found[..., 2], expected)
    header = image_file.read_header(file, PixelFormat(5))
    assert header[:2] == expected.shape


def test_other_bands_are_told(bands):
    file = written(bands, planarconfig="contig")
    for channels in (1, 3, 4):
        told = image_file.read_header(file, PixelFormat(channels))
        assert told == f"of 5 bands, where --channels={channels} was expected"
    told = image_file.read_header(
        written(bands.astype(np.complex64), planarconfig="contig"),
        PixelFormat(5),
    )
    assert told == "of complex64 values"


def test_bounds_hold(bands, monkeypatch):
    file = written(bands, planarconfig="contig")
    monkeypatch.setattr(pixel_budget, "MOST_PIXELS", 479)
    told = image_file.read_header(file, PixelFormat(5))
    assert told == "that have more than 479 pixels"
    monkeypatch.undo()
    monkeypatch.setattr(pixel_budget, "LARGE_PIXELS", 1000)
    monkeypatch.setattr(pixel_budget, "MOST_PIXELS_A_BYTE", 2)
    file = written(0 * bands, planarconfig="contig", compression="deflate")
    told = image_file.read_header(file, PixelFormat(5))
    assert told == "of too few bytes for their size"


def test_damage_is_no_stack_trace(bands):
    content = written(bands, planarconfig="contig").getvalue()
    level = logging.getLogger("tifffile").level
    for size in (3, 8, 60, 200, len(content) - 9):
        cut = io.BytesIO(content[:size])
        assert image_file.read_or_none(cut, PixelFormat(5)) is None
    logging.getLogger("tifffile").setLevel(level)


def test_a_folder_of_bands(tmp_path, bands, rng):
    for number in range(6):
        pixels = bands[:16, :16] + np.uint16(number)
        place = tmp_path / "fields" / f"{number}.tif"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(written(pixels, planarconfig="contig").getvalue())
    Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(
        tmp_path / "fields" / "photo.png"
    )
    found = data.load("folder", str(tmp_path), channels=5)
    assert found.train.images.shape == (6, 16, 16, 5)
    assert found.train.channels == found.form.channels == 5
    expected = found.form.levels(bands[:16, :16] + np.uint16(2))
    np.testing.assert_array_equal(found.train.images[2], expected)
    (left_out,) = found.train.skipped
    assert left_out.name == "fields/photo.png"
    assert left_out.reason == "of 3 bands, where --channels=5 was expected"
    # A range that is known is not measured again.
    form = PixelFormat(5, (0.0,) * 5, (5000.0,) * 5)
    again = data.load("folder", str(tmp_path), form=form)
    assert again.form == form
    with pytest.raises(InputError, match="of 5 bands, where --channels=2"):
        data.load("folder", str(tmp_path / "fields"), channels=2)
