"""Reads an image file of any kind to upright 8-bit RGB pixels.

A file of kilobytes can say that it is gigabytes, and decoding takes memory and
time by what it says. So four things are bounded: the pixels of one image,
`MOST_PIXELS`; those of a large image by its bytes, `MOST_PIXELS_A_BYTE`; those
of all images that are decoded at once, `MOST_IN_FLIGHT`; and how often a JPEG
goes over its pixels, `MOST_WORK`. A pixel takes 3 bytes of the result, and
while it is decoded 3 or 4 more, or up to 16 of WebP or JPEG 2000. So images in
flight take half a gigabyte, or 1.2 of these two kinds; one image of 170 million
pixels, which is decoded alone, takes 1.2 gigabytes, or 3.3.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from and_tf.data import image_depth, image_endings
from and_tf.data.image_depth import Source, opened
from and_tf.data.skipped import UNREADABLE


class PixelBudget:
    """Has decoders wait until their pixels fit beside those of the others.

    Threads decode beside each other, as many as there are cores. What one
    image takes is bounded by its own size; what all take together, by this.

    Args:
        most: How many pixels may be in flight. An image of more is let in
            when there is no other.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_flight = 0
        self._turn = threading.Lock()  # Who comes first is let in first.
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until there is room, and takes it for as long as the block.

        Args:
            pixels: Of the image that is decoded in the block.
        """
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._has_room(pixels))
            self._in_flight += pixels
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= pixels
                self._changed.notify_all()

    def _has_room(self, pixels: int) -> bool:
        return not self._in_flight or self._in_flight + pixels <= self._most


# What has more pixels than the largest cameras give is taken as unreadable.
# Pillow's own limit is near, but is the process' to lift, and warns first.
MOST_PIXELS = 170_000_000
MOST_IN_FLIGHT = 2**26
# Pixels times scans. A progressive JPEG goes over all pixels about ten times;
# one of kilobytes can do so thousands of times.
MOST_WORK = 16 * MOST_PIXELS
# Large images of so few bytes are blank: no camera's, but a bomb's.
LARGE_PIXELS = 2**25
MOST_PIXELS_A_BYTE = 4096
_LEAST_SCAN_BYTES = 10
_START_OF_SCAN = b"\xff\xda"
_BUDGET = PixelBudget(MOST_IN_FLIGHT)
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
_ORIENTATION = 0x0112  # EXIF; from 5 on, the image lies on its side.
_STRIP_PIXELS = 2**20  # Converted at once, so that copies stay small.


class Refused(ValueError):
    """A file that is not decoded; the message is a reason of `Skipped`."""


class Header(NamedTuple):
    """The header of an image file.

    Attributes:
        height: Of the upright image, in pixels.
        width: The same.
        is_deep: Whether pixels are grey values of more than 8 bits.
    """

    height: int
    width: int
    is_deep: bool


def read_image(source: Source) -> np.ndarray:
    """Decodes an image file, given by path or open, to uint8 `[H, W, 3]`.

    It is turned upright, as EXIF data say.

    Of an animation it is the first frame. What is transparent shows white,
    as cut-outs and drawings are made to stand on a page; the colour that a
    file stores under it means nothing. Grey of 16 bits becomes grey of 8, see
    `image_depth`.

    Raises:
        OSError, ValueError and others: Pillow cannot read the file.
    """
    with _open(source) as image:
        _check_scans(image, source)
        with _BUDGET.taken(image.width * image.height):
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith(("I", "F")):
                return image_depth.to_rgb(image, source)
            return _rgb(image)


def largest_value(source: Source) -> int | None:
    """Returns the largest grey value of an image that is read as 16 bits.

    Returns:
        0..65535; None where the header says that values have fewer bits, or
        where the file cannot be decoded.
    """
    try:
        with _open(source) as image, _BUDGET.taken(image.width * image.height):
            values = np.asarray(image)
            white = image_depth.white_level(image, source, values)
            return int(values.max()) if white == image_depth.WHITE else None
    except Exception:  # Pillow answers broken files with many kinds.
        return None


def read_or_none(source: Source) -> np.ndarray | None:
    """Decodes an image file; None where that fails, for whatever reason."""
    try:
        return read_image(source)
    except Exception:  # Pillow answers broken files with many kinds.
        return None


def read_header(source: Source) -> Header | str:
    """Reads what an image's first bytes say; decodes no pixel.

    Returns:
        The header, or a reason of `Skipped` where there is no image that is
        read.
    """
    try:
        with _open(source) as image:
            height, width = _upright_size(image)
            return Header(height, width, image.mode.startswith("I"))
    except Refused as refused:
        return str(refused)
    except Image.DecompressionBombError:
        return _too_large()
    except Exception:  # Pillow answers broken files with many kinds.
        return UNREADABLE


def _open(source: Source) -> Image.Image:
    """Reads an image's header.

    Raises:
        Refused: It is no ordinary file, or too large.
        OSError, ValueError and others: There is no image that we take.
    """
    size = _file_size(source)
    image = Image.open(source, formats=image_endings.formats())
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        image.close()
        raise Refused(_too_large())
    if pixels > max(LARGE_PIXELS, MOST_PIXELS_A_BYTE * size):
        image.close()
        raise Refused("of too few bytes for their size")
    return image


def _file_size(source: Source) -> int:
    """Bytes of a file.

    Raises:
        Refused: It is no ordinary file.
    """
    if isinstance(source, io.IOBase):
        return source.seek(0, os.SEEK_END)
    # Opening a pipe would wait for ever, and a device may do anything.
    state = os.stat(source)
    if not stat.S_ISREG(state.st_mode):
        raise Refused("that are no ordinary files")
    return state.st_size


def _check_scans(image: Image.Image, source: Source) -> None:
    """Refuses a JPEG that goes over its pixels too often.

    Raises:
        Refused: It does.
    """
    if image.format not in ("JPEG", "MPO"):
        return
    pixels = image.width * image.height
    if pixels * _file_size(source) <= MOST_WORK * _LEAST_SCAN_BYTES:
        return  # Its bytes do not suffice for so many scans.
    with opened(source) as file:
        # Nothing else in the coded data looks so; a thumbnail may add one.
        scans = file.read().count(_START_OF_SCAN)
    if pixels * scans > MOST_WORK:
        raise Refused("that go over their pixels too often")


def _too_large() -> str:
    return f"that have more than {MOST_PIXELS:,} pixels"


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """(H, W) of an image whose header is read."""
    width, height = image.size
    # Pillow turns a TIFF's size itself. Of a PNG whose header has no EXIF,
    # asking for it would decode the image.
    asked = image.format not in ("TIFF", "PNG") or "exif" in image.info
    if asked and image.getexif().get(_ORIENTATION, 1) >= 5:
        return width, height
    return height, width


def _rgb(image: Image.Image) -> np.ndarray:
    """Pixels on white, uint8 `[H, W, 3]`, converted strip by strip.

    Converted whole, a large image would be in memory up to five times.
    """
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        strip = image.crop((0, top, image.width, bottom))
        pixels[top:bottom] = np.asarray(_on_white(strip).convert("RGB"))
    return pixels


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image)
