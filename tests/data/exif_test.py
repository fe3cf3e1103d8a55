"""EXIF data as Pillow writes them, and damaged ones."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from and_tf.data import exif


def _read(kind: str, **options: object) -> exif.Exif:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, **options)
    with Image.open(file) as image:
        return exif.read(image)


def _data(taken: str, orientation: int, places: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    data.get_ifd(0x8769)[0x9003] = taken
    place = {2: (1.0, 2.0, 3.0), 4: (4.0, 5.0, 6.0)}
    data.get_ifd(0x8825).update(dict(list(place.items())[:places]))
    return data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_time_place_and_orientation(kind):
    data = _data("2024:05:01 12:30:00", 8, 2)
    found = _read(kind, exif=data)
    assert found == exif.Exif(8, "2024-05-01T12:30:00", True)
    assert _read(kind) == exif.Exif(1, "", False)


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "    ", "soon"])
def test_what_makes_no_sense_is_unknown(taken):
    assert _read("JPEG", exif=_data(taken, 9, 1)) == exif.Exif(1, "", False)


def test_damaged_data_are_unknown():
    assert _read("JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff") == exif.Exif()
