"""Decoding in a graph against Pillow, as training reads files."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from and_tf.data.image_file import read_image
from and_tf.data.preprocessing import centre_square
from export.serving import decoding
from tests.data.image_file_test import with_sbit
from tests.hostile import bomb, many_scans

SIZES = [(1, 1), (2, 3), (8, 1), (17, 9), (37, 53), (64, 64)]


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode(encoded):
    return decoding.decode(encoded)


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def decode_batch(encoded):
    return decoding.decode_batch(encoded, 12)


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Waves with noise: neither flat nor beyond what a JPEG can hold."""
    rng = np.random.default_rng(height * 100 + width)
    y, x, c = np.mgrid[:height, :width, :channels]
    waves = 128 + 100 * np.sin(x / (5 + c) + y * c / 7)
    return (
        (waves + rng.normal(0, 10, waves.shape)).clip(0, 255).astype(np.uint8)
    )


def encoded(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int, order: str, kind: int = 3, before: int = 1) -> bytes:
    """EXIF data in either byte order, with other tags before this one."""
    form = {3: "HHIHxx", 4: "HHII"}[kind]
    tags = [
        struct.pack(order + "HHIHxx", 0x0100 + i, 3, 1, 6)
        for i in range(before)
    ]
    tags.append(struct.pack(order + form, 0x0112, kind, 1, orientation))
    mark = b"II" if order == "<" else b"MM"
    return (
        b"Exif\0\0"
        + mark
        + struct.pack(order + "HI", 42, 8)
        + struct.pack(order + "H", len(tags))
        + b"".join(tags)
        + bytes(4)
    )


def assert_same(data: bytes, tolerance: int = 0) -> None:
    expected = read_image(io.BytesIO(data))
    received = decode(data).numpy()
    assert received.dtype == np.uint8
    assert received.shape == expected.shape
    difference = np.abs(received.astype(int) - expected)
    assert difference.max() <= tolerance


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(size, subsampling, progressive):
    for quality in (40, 90):
        assert_same(
            encoded(
                picture(*size),
                "JPEG",
                quality=quality,
                subsampling=subsampling,
                progressive=progressive,
            )
        )


@pytest.mark.parametrize(
    "options",
    [
        {"keep_rgb": True},
        {"restart_marker_rows": 1},
        {"icc_profile": bytes(200_000)},  # Four segments of their own.
        {"comment": b"\xff\xe1 no segment"},
        {"optimize": True, "dpi": (300, 300)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_jpeg_of_other_kinds(options):
    data = exif(6, ">")
    assert_same(encoded(picture(30, 41), "JPEG", exif=data, **options))


def test_grey_jpeg():
    assert_same(encoded(picture(30, 41)[:, :, 0], "JPEG"))


def test_cmyk_jpeg_to_one_level():
    image = Image.fromarray(picture(30, 41, 4), mode="CMYK")
    assert_same(encoded(image, "JPEG", quality=95), tolerance=1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientation(kind, order, orientation):
    image = picture(21, 34)
    for tag_kind, before in ((3, 0), (3, 5), (4, 1)):
        data = exif(orientation, order, tag_kind, before)
        assert_same(encoded(image, kind, exif=data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_malformed_exif_is_upright(kind, order):
    """Cut anywhere, or with a number that leads nowhere."""
    image = picture(9, 14)
    plain = read_image(io.BytesIO(encoded(image, kind)))
    whole = exif(6, order)
    broken = [whole[:end] for end in range(6, len(whole) - 8)]
    broken += [whole[:10] + b"\xff" * 4 + whole[14:], whole[:6] + b"\xff" * 40]
    for data in broken:
        received = decode(encoded(image, kind, exif=data)).numpy()
        np.testing.assert_array_equal(received, plain)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
@pytest.mark.parametrize("size", SIZES)
def test_png(mode, size):
    image = Image.fromarray(picture(*size, 4), mode="RGBA")
    if mode == "P":
        image = image.convert("RGB")
    assert_same(encoded(image.convert(mode), "PNG"))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparency", [None, 1, b"\x00\x80\xff"])
def test_palette_png(bits, transparency):
    colours = min(2**bits, 200)
    image = Image.fromarray(picture(20, 31)).quantize(colours)
    if isinstance(transparency, bytes):
        transparency = transparency[:colours]
    options = {} if transparency is None else {"transparency": transparency}
    assert_same(encoded(image, "PNG", bits=bits, **options))


def test_png_with_a_transparent_colour():
    image = picture(20, 31) // 64 * 64
    colour = tuple(int(value) for value in image[3, 4])
    assert_same(encoded(image, "PNG", transparency=colour))
    assert_same(encoded(image[:, :, 0], "PNG", transparency=colour[0]))


def test_every_alpha_of_every_value():
    values, alphas = np.mgrid[:256, :256].astype(np.uint8)
    image = np.stack([values, values[::-1], values.T, alphas], axis=-1)
    assert_same(encoded(Image.fromarray(image, mode="RGBA"), "PNG"))


def test_png_of_16_bits():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert_same(encoded(Image.fromarray(every), "PNG"))
    for channels in (2, 3, 4):
        deep = np.stack([np.roll(every, i * 999) for i in range(channels)], -1)
        assert_same(tf.io.encode_png(deep).numpy())


def test_png_of_many_chunks_before_its_orientation():
    data = encoded(picture(20, 31), "PNG", exif=exif(8, "<"))
    chunk = b"tEXt" + b"Comment\0none"
    chunk = struct.pack(">I", 12) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert_same(data[:33] + chunk * 300 + data[33:])


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_batch_has_images_of_any_size_and_kind(count):
    kinds = ("JPEG", "PNG")
    images = [
        encoded(picture(10 + 5 * i, 40 - 4 * i), kinds[i % 2])
        for i in range(count)
    ]
    expected = [centre_square(read_image(io.BytesIO(i)), 12) for i in images]
    received = decode_batch(tf.constant(images, tf.string, [count])).numpy()
    assert received.dtype == np.uint8
    np.testing.assert_array_equal(
        received, np.reshape(expected, (count, 12, 12, 3))
    )


def broken() -> dict[str, bytes]:
    jpeg, png = (encoded(picture(40, 50), kind) for kind in ("JPEG", "PNG"))
    image = Image.fromarray(picture(40, 50))
    return {
        "nothing": b"",
        "text": b"not an image",
        "half a JPEG": jpeg[: len(jpeg) // 2],
        "half a PNG": png[: len(png) // 2],
        "a JPEG's beginning": jpeg[:3],
        "a PNG's beginning": png[:8],
        "a PNG's header": png[:40],
        "GIF": encoded(image.quantize(9), "GIF"),
        "BMP": encoded(image, "BMP"),
        "WEBP": encoded(image, "WEBP"),
        "more pixels than memory": bomb(20_000),
        "more pixels than numbers": bomb(2**32 - 1),
    }


@pytest.mark.parametrize("name", broken())
def test_what_cannot_be_decoded_is_named_by_its_position(name, capfd):
    good, bad = encoded(picture(9, 9), "PNG"), broken()[name]
    batch = [good, bad, good, good, bad]
    expected = (
        r"Expected encoded JPEG or PNG images. Received at positions \[1 4\] "
        "what cannot be decoded."
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        decode_batch(batch)


def test_all_of_many_positions_are_named():
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        decode_batch([b""] * 40)
    assert f"[{' '.join(map(str, range(40)))}]" in str(error.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_cut_file_is_refused_or_shows_the_same(kind):
    """Never what Pillow would refuse, never other pixels."""
    whole = encoded(picture(16, 16), kind)
    refused = 0
    for end in range(0, len(whole), 7):
        try:
            received = decode(whole[:end]).numpy()
        except tf.errors.InvalidArgumentError:
            refused += 1
        else:
            expected = read_image(io.BytesIO(whole[:end]))
            np.testing.assert_array_equal(received, expected)
    assert refused > 0.9 * len(whole) / 7


@pytest.mark.parametrize("step", [1, 16])
def test_grey_png_of_twelve_bits(step):
    values = np.linspace(0, 4095, 256).reshape(16, 16).astype(np.uint16)
    assert_same(with_sbit(encoded(values * step, "PNG"), 12))


def test_large_transparent_images_are_mixed_in_strips(monkeypatch):
    monkeypatch.setattr(decoding, "_STRIP_PIXELS", 100)
    data = encoded(picture(37, 53, 4), "PNG")
    received = tf.function(decoding.decode)(tf.constant(data))
    expected = read_image(io.BytesIO(data))
    np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize("broken", [(), (1, 4), (0, 1, 2, 3, 4, 5)])
def test_large_images_are_decoded_alone(monkeypatch, broken):
    """Small and large ones in turns; those at `broken` are cut short."""
    monkeypatch.setattr(decoding, "PARALLEL_PIXELS", 500)
    sizes = [(17, 9), (37, 53), (20, 20), (64, 64), (64, 40), (2, 3)]
    files = [encoded(picture(*size), "PNG") for size in sizes]
    alone = [decode_batch(tf.constant([data])).numpy()[0] for data in files]
    for place in broken:
        files[place] = files[place][: len(files[place]) // 2]
    batch = tf.function(lambda files: decoding.decode_batch(files, 12))
    if not broken:
        np.testing.assert_array_equal(batch(tf.constant(files)), alone)
        return
    places = r"\[" + " ".join(map(str, broken)) + r"\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=places):
        batch(tf.constant(files))


@pytest.mark.parametrize("data", [bomb(8_000), many_scans(4_096, 300)])
def test_files_that_mean_harm_are_refused(data):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected fewer"):
        decode(data)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[0\]"):
        decode_batch([data])
