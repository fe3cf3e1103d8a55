"""Images in data URIs: what they become, and how large."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from and_tf.figures.canvas import save_png
from and_tf.reporting.pictures import LARGE, saved_picture, tile_uri


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_small_image_is_kept_to_the_bit(rng):
    image = rng.integers(0, 256, (32, 32, 3), np.uint8)
    np.testing.assert_array_equal(decoded(tile_uri(image)), image)


@pytest.mark.parametrize("shape", [(300, 200, 3), (64, 96, 3)])
def test_a_large_one_is_a_small_square_jpeg(rng, shape):
    image = decoded(tile_uri(rng.integers(0, 256, shape, np.uint8)))
    assert image.format == "JPEG"
    assert image.size == (min(112, *shape[:2]),) * 2


def test_pictures_of_a_sane_size_are_taken_as_they_are(tmp_path):
    save_png(np.zeros((40, 60, 3), np.uint8), tmp_path / "p.png")
    uri, *size = saved_picture(tmp_path / "p.png")
    content = base64.b64decode(uri.partition(",")[2])
    assert content == (tmp_path / "p.png").read_bytes() and size == [60, 40]


def test_large_pictures_are_made_smaller(tmp_path, rng):
    picture = rng.integers(0, 256, (300, 1500, 3), np.uint8)
    save_png(picture, tmp_path / "p.png")
    uri, *size = saved_picture(tmp_path / "p.png")
    assert decoded(uri).format == "JPEG" and size == [1200, 240]
    assert len(uri) < LARGE < (tmp_path / "p.png").stat().st_size
