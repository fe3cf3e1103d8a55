"""Reads what EXIF data say about how and where a photograph was taken."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from PIL import ExifTags, Image

UPRIGHT = 1  # The orientation of an image that is stored as it is shown.


class Exif(NamedTuple):
    """Some EXIF data of an image.

    Attributes:
        orientation: How the stored image is turned, 1..8 as EXIF defines it.
        taken: The time at which the photograph was taken, in ISO 8601, such as
            "2024-05-01T12:30:00"; "" if it is not known.
        has_place: Whether there are a latitude and a longitude.
    """

    orientation: int = UPRIGHT
    taken: str = ""
    has_place: bool = False


def read(image: Image.Image) -> Exif:
    """Reads the EXIF data of an image that was opened and not yet turned.

    Data that are missing or damaged count as unknown.
    """
    # For a PNG without EXIF data in its header, Pillow would decode the whole
    # image to look for it.
    if image.format == "PNG" and "exif" not in image.info:
        return Exif()
    try:
        exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, UPRIGHT)
        details = exif.get_ifd(ExifTags.IFD.Exif)
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # Pillow raises many kinds of errors for broken files.
        return Exif()
    return Exif(
        orientation if orientation in range(1, 9) else UPRIGHT,
        _iso(details.get(ExifTags.Base.DateTimeOriginal)),
        {ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude} <= set(place),
    )


def _iso(text: Any) -> str:
    """Returns a time of EXIF, "2024:05:01 12:30:00", in ISO 8601, or ""."""
    try:
        taken = datetime.datetime.strptime(
            str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S"
        )
    except ValueError:  # Cameras without a clock write zeros or spaces.
        return ""
    return taken.isoformat()
