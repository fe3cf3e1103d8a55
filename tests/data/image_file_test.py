"""Image files of every kind, against Pillow and hand-made pixels."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import socket
import struct
import sys
import types
import zlib

import numpy as np
import pytest
from PIL import Image

from and_tf.data import image_endings, image_file
from and_tf.data.pixel_budget import PixelBudget
from and_tf.data.walking import Refused
from tests.hostile import bomb, many_scans


def _mode_image(mode: str) -> tuple[Image.Image, list[int]]:
    """An image of 3x2 equal pixels, and the RGB that they must become."""
    size = 3, 2
    if mode == "P, transparent":
        image = Image.new("P", size, 1)
        image.putpalette([1, 2, 3, 4, 5, 6])
        image.info["transparency"] = 1
        return image, [255, 255, 255]
    if mode == "P":
        image = Image.new("P", size, 1)
        image.putpalette([1, 2, 3, 40, 50, 60])
        return image, [40, 50, 60]
    if mode == "I;16":
        deep = np.full(size[::-1], 100 * 257 + 100, np.uint16)
        return Image.fromarray(deep), [100] * 3
    if mode == "I;16B":
        deep = np.full(size[::-1], 200 * 257, ">u2")
        return Image.frombytes(mode, size, deep.tobytes()), [200] * 3
    colour, expected = {
        "1": (1, [255] * 3),
        "L": (77, [77] * 3),
        "LA": ((0, 51), [204] * 3),  # A fifth of black on white.
        "RGB": ((1, 2, 3), [1, 2, 3]),
        "RGBA": ((255, 0, 100, 51), [255, 204, 224]),
        "CMYK": ((0, 255, 255, 0), [255, 0, 0]),
    }[mode]
    return Image.new(mode, size, colour), expected


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "png"), ("L", "jpg"), ("LA", "png"), ("P", "gif"), ("P", "png"),
        ("P, transparent", "png"), ("RGB", "tif"), ("RGBA", "png"),
        ("RGBA", "webp"), ("I;16", "png"), ("I;16", "tif"), ("I;16B", "tif"),
        ("CMYK", "tif"), ("CMYK", "jpg"),
    ],
)  # fmt: skip
def test_modes_become_rgb(
    tmp_path: pathlib.Path, mode: str, suffix: str
) -> None:
    path = tmp_path / f"image.{suffix}"
    image, expected = _mode_image(mode)
    image.save(path, **({"lossless": True} if suffix == "webp" else {}))
    pixels = image_file.read_image(path)
    assert (pixels.shape, pixels.dtype) == ((2, 3, 3), np.uint8)
    np.testing.assert_allclose(
        pixels.astype(int), np.broadcast_to(expected, (2, 3, 3)), atol=2
    )


@pytest.mark.parametrize(
    "name",
    [
        "a.jfif", "a.JPE", "a.pgm", "a.ppm", "a.pbm", "a.pnm", "a.ico",
        "a.apng", "a.jp2", "a.avif", "a.webp", "a.tiff",
    ],
)  # fmt: skip
def test_what_pillow_can_read_is_read(tmp_path, name):
    ending = os.path.splitext(name)[1].lower()
    if ending not in image_endings.readable():
        pytest.skip("this Pillow was built without it")
    kind = {".jfif": "JPEG", ".jpe": "JPEG", ".pnm": "PPM", ".apng": "PNG"}
    image = Image.new("L", (32, 32), 255)
    image.save(tmp_path / name, kind.get(ending))
    assert image_endings.is_readable(name)
    assert image_file.read_header(tmp_path / name) == (32, 32, False)
    pixels = image_file.read_image(tmp_path / name)
    np.testing.assert_allclose(pixels, np.full((32, 32, 3), 255), atol=2)


def test_heic_is_read_where_its_package_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for cached in (image_endings.formats, image_endings.readable):
        cached.cache_clear()
    assert not image_endings.is_readable("a.HEIC")
    assert "pip install pillow-heif" in image_endings.why_not("a.HEIC")
    added = []
    package = types.SimpleNamespace(
        register_heif_opener=lambda: added.append(1)
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    for cached in (image_endings.formats, image_endings.readable):
        cached.cache_clear()
    assert image_endings.is_readable("a.HEIC") and added == [1]
    assert image_endings.why_not("a.HEIC") is None
    monkeypatch.undo()
    for cached in (image_endings.formats, image_endings.readable):
        cached.cache_clear()


def test_a_pipe_and_a_socket_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.jpg"))
        for name in ("pipe.jpg", "s.jpg"):
            reason = "that are no ordinary files"
            assert image_file.read_header(tmp_path / name) == reason
            assert image_file.read_or_none(tmp_path / name) is None


def test_strips_are_as_the_whole(tmp_path, monkeypatch):
    """A palette with alpha, whose strips must keep both."""
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 4), np.uint8)
    image = Image.fromarray(colours).quantize(8)
    image.save(tmp_path / "a.png")
    whole = image_file.read_image(tmp_path / "a.png")
    monkeypatch.setattr(image_file, "_STRIP_PIXELS", 14)
    strips = image_file.read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(strips, whole)
    assert len(np.unique(whole)) > 4


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values.astype(np.uint8)[:, :, None], 3, axis=-1)


def with_sbit(png: bytes, bits: int) -> bytes:
    """A PNG with a chunk that says how many bits are significant."""
    chunk = b"sBIT" + bytes([bits])
    crc = struct.pack(">I", zlib.crc32(chunk))
    return png[:33] + struct.pack(">I", 1) + chunk + crc + png[33:]


def _png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def test_twelve_bits_are_scaled_where_a_png_says_so(tmp_path):
    values = np.linspace(0, 4095, 256).reshape(16, 16).astype(np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(with_sbit(_png(values), 12))
    expected = np.rint(values / 4095 * 255)
    np.testing.assert_array_equal(image_file.read_image(path), _grey(expected))
    assert image_file.largest_value(path) is None
    # As PNG has it, they fill the 16 bits already.
    path.write_bytes(with_sbit(_png(values * 16), 12))
    expected = np.rint(values * 16 / 257)
    np.testing.assert_array_equal(image_file.read_image(path), _grey(expected))
    # Without a word they are taken as they stand.
    path.write_bytes(_png(values))
    assert image_file.read_image(path).max() == 16
    assert image_file.largest_value(path) == 4095


def test_a_tiff_that_says_its_largest_value_is_scaled_by_it(tmp_path):
    values = np.linspace(0, 4000, 256).reshape(16, 16).astype(np.uint16)
    path = tmp_path / "a.tif"
    image = Image.fromarray(values)
    image.save(path, tiffinfo={281: 4095})
    expected = np.rint(values / 4095 * 255)
    np.testing.assert_array_equal(image_file.read_image(path), _grey(expected))
    # What is no power of two is the largest value that occurs: no scale.
    image.save(path, tiffinfo={281: 4000})
    assert image_file.read_image(path).max() == 16


def _packed_tiff(values: np.ndarray) -> bytes:
    """A TIFF of 12 bits a value, two values in three bytes."""
    height, width = values.shape
    first, second = values[:, ::2], values[:, 1::2]
    packed = np.stack(
        [first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1
    )
    pixels = packed.astype(np.uint8).tobytes()
    tags = (
        (256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8),
        (277, 1), (278, height), (279, len(pixels)),
    )  # fmt: skip
    directory = b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    return head + pixels + struct.pack("<H", len(tags)) + directory + b"\0" * 4


def test_a_tiff_of_twelve_bits_is_scaled(tmp_path):
    values = np.arange(0, 4096, 16).reshape(16, 16)
    path = tmp_path / "a.tif"
    path.write_bytes(_packed_tiff(values))
    expected = np.rint(values / 4095 * 255)
    np.testing.assert_array_equal(image_file.read_image(path), _grey(expected))


def test_a_pgm_of_twelve_bits_is_scaled_by_its_largest_value(tmp_path):
    values = np.linspace(0, 4095, 256).reshape(16, 16).astype(">u2")
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 16 16 4095\n" + values.tobytes())
    expected = values / 4095 * 255
    pixels = image_file.read_image(path).astype(int)
    np.testing.assert_allclose(pixels[:, :, 0], expected, atol=0.51)


def test_a_large_image_of_few_bytes_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(bomb(8_000))
    reason = "of too few bytes for their size"
    assert image_file.read_header(tmp_path / "a.png") == reason
    assert image_file.read_or_none(tmp_path / "a.png") is None
    # A blank one of a usual size is none.
    Image.new("1", (3_000, 3_000)).save(tmp_path / "b.png")
    assert image_file.read_header(tmp_path / "b.png").width == 3_000


def test_a_jpeg_of_too_many_scans_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(many_scans(4_096, 300))
    with pytest.raises(Refused, match="over their pixels too often"):
        image_file.read_image(path)
    path.write_bytes(many_scans(4_096, 1))  # 12 scans are as usual.
    with Image.open(path) as image:
        image_file._check_scans(image, path)


def test_images_are_decoded_within_the_budget(tmp_path, monkeypatch):
    taken = []

    class Budget(PixelBudget):
        def taken(self, pixels: int) -> contextlib.AbstractContextManager:
            taken.append(pixels)
            return super().taken(pixels)

    monkeypatch.setattr(image_file, "_BUDGET", Budget(10))
    Image.new("RGB", (6, 5)).save(tmp_path / "a.png")
    assert image_file.read_image(tmp_path / "a.png").shape == (5, 6, 3)
    assert taken == [30]


def test_an_open_file_is_read_as_one_with_a_path(tmp_path):
    values = np.linspace(0, 4095, 256).reshape(16, 16).astype(np.uint16)
    content = with_sbit(_png(values), 12)
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(
        image_file.read_image(io.BytesIO(content)),
        image_file.read_image(tmp_path / "a.png"),
    )


@pytest.mark.parametrize("orientation", [0, 1, 4, 5, 8, 9, 300, 65_535])
def test_the_header_tells_the_size_that_is_read(tmp_path, orientation):
    """Whatever the tag says: of its values, 5 to 8 alone turn the image."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "image.jpg"
    Image.new("RGB", (13, 9)).save(path, exif=exif)
    header = image_file.read_header(path)
    assert image_file.read_image(path).shape[:2] == (
        header.height,
        header.width,
    )
    assert header.height == (13 if 5 <= orientation <= 8 else 9)
