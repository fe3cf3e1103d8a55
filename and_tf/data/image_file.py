"""Reads an image file of any kind to upright pixels: RGB, or other channels.

A file of kilobytes can declare an image of gigabytes, and its decoding takes
the memory and time of the declared size. So four numbers are bounded: the
pixels of one image, `MOST_PIXELS`; the pixels of a large image per byte of its
file, `MOST_PIXELS_A_BYTE`; the pixels of all images that are decoded at the
same time, `MOST_IN_FLIGHT`; and the pixels times the scans of a JPEG,
`MOST_WORK`. A pixel takes 3 bytes of the result, and 3 or 4 more while it is
decoded, or up to 16 more in WebP and JPEG 2000. So images in flight take half a
gigabyte, or 1.2 gigabytes in these two formats. One image of 170 million
pixels, which is decoded alone, takes 1.2 gigabytes, or 3.3.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from and_tf.data import exif, image_depth, image_endings, tiff_file
from and_tf.data.image_depth import Source, opened
from and_tf.data.pixel_format import RGB, PixelFormat, fitting, other_bands
from and_tf.data.walking import UNREADABLE, Refused


class PixelBudget:
    """A limit on the pixels that all threads together decode at one time.

    As many threads decode images as there are cores. The memory for one image
    is bounded by its size; the memory for all of them, by this limit.

    Args:
        most: The number of pixels that may be in flight. An image of more
            pixels is decoded while there is no other.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_flight = 0
        # Only one thread waits for room, so that a large image is not
        # overtaken by small ones.
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until there is room, and takes it until the block ends.

        Args:
            pixels: The number of pixels of the image decoded in the block.
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


# An image of more pixels than the largest cameras take is not read. Pillow's
# own limit is similar, but any code of the process may lift it, and it only
# warns at first.
MOST_PIXELS = 170_000_000
MOST_IN_FLIGHT = 2**26
# Pixels times scans. A usual progressive JPEG has about ten scans over all
# pixels; a malicious file of kilobytes can have thousands.
MOST_WORK = 16 * MOST_PIXELS
# A large image of fewer bytes is blank: it is a decompression bomb, no photo.
LARGE_PIXELS = 2**25
MOST_PIXELS_A_BYTE = 4096
_LEAST_SCAN_BYTES = 10
_START_OF_SCAN = b"\xff\xda"
_BUDGET = PixelBudget(MOST_IN_FLIGHT)
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
_ORIENTATION = 0x0112  # A tag of EXIF.
_LYING = (5, 6, 7, 8)  # Its values for an image on its side; others are none.
_STRIP_PIXELS = 2**20  # Pixels converted at once, so that copies stay small.
# What a pixel of an image of other channels takes is counted in the bytes that
# one of RGB takes.
_PIXEL_BYTES = 7
_WHITE = 255


class Header(NamedTuple):
    """The header of an image file.

    Attributes:
        height: The height of the upright image, in pixels.
        width: The width of the upright image, in pixels.
        is_deep: True if pixels are grey values of more than 8 bits.
    """

    height: int
    width: int
    is_deep: bool


class Decoded(NamedTuple):
    """An image with what its file says beside the pixels.

    Attributes:
        pixels: uint8 `[H, W, C]`, as `read_image` returns them.
        alpha: uint8 `[H, W]`, 255 where the image is opaque; None if all of it
            is.
        exif: Its EXIF data.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    exif: exif.Exif


def decode(source: Source, form: PixelFormat = RGB) -> Decoded:
    """Decodes an image file like `read_image`, with its alpha and EXIF data.

    Args:
        source: A path, or a file that is open for reading.
        form: The channels, and what their values mean.

    Raises:
        OSError, ValueError and others: If it cannot be read.
    """
    if not form.usual and _bands(source, form.channels):
        return Decoded(read_image(source, form), None, exif.Exif())
    with _upright(source) as (image, details):
        if form.usual:
            pixels = _pixels(image, source)
        else:
            pixels = form.levels(_channels(image, form.channels))
        return Decoded(pixels, _alpha(image), details)


def read_image(source: Source, form: PixelFormat = RGB) -> np.ndarray:
    """Decodes an image file to upright pixels, uint8 `[H, W, C]`.

    The image is turned upright as its EXIF data say. Of an animation, the
    first frame is decoded. Transparent pixels become white, since cut-outs and
    drawings are made for a white page, and the colour that a file stores under
    transparent pixels means nothing. Grey of 16 bits becomes grey of 8 bits,
    see `image_depth`. All of this is for RGB; for other channels and ranges,
    see `read_values`.

    Args:
        source: A path, or a file that is open for reading.
        form: The channels, and what their values mean.

    Raises:
        OSError, ValueError and others: If it cannot be read.
    """
    if not form.usual:
        return form.levels(read_values(source, form.channels))
    with _upright(source) as (image, _):
        return _pixels(image, source)


def read_values(source: Source, channels: int) -> np.ndarray:
    """Decodes an image file to the values that it holds, upright.

    Args:
        source: A path, or a file that is open for reading.
        channels: C. 1 makes colours grey. 3 makes three of a grey one. 4 is
            RGB on white and the opacity, which is 255 in files without. Other
            numbers of channels, and more than 8 bits of several, have only
            TIFFs of as many bands.

    Returns:
        `[H, W, C]`, uint8 or of the file's deeper type.

    Raises:
        Refused: If it has other channels.
        OSError, ValueError and others: If it cannot be read.
    """
    bands = _bands(source, channels)
    if bands:
        pixels = bands.height * bands.width
        # A value is decoded, scaled as float32, and then a level.
        value_bytes = 2 * bands.value_bytes + 9
        cost = pixels * bands.bands * value_bytes // _PIXEL_BYTES
        with _BUDGET.taken(cost):
            return fitting(tiff_file.read(source, bands.bands), channels)
    with _upright(source) as (image, _):
        return _channels(image, channels)


def largest_value(source: Source) -> int | None:
    """Returns the largest grey value of an image that is read as 16 bits.

    Args:
        source: A path, or a file that is open for reading.

    Returns:
        A value of 0..65535, or None if the header says that values have fewer
        bits, or if the file cannot be decoded.
    """
    try:
        with _open(source) as image, _BUDGET.taken(image.width * image.height):
            values = np.asarray(image)
            white = image_depth.white_level(image, source, values)
            return int(values.max()) if white == image_depth.WHITE else None
    except Exception:  # Pillow raises many kinds of errors for broken files.
        return None


def read_or_none(source: Source, form: PixelFormat = RGB) -> np.ndarray | None:
    """Decodes an image file like `read_image`, or returns None on any error."""
    try:
        return read_image(source, form)
    except Exception:  # Pillow raises many kinds of errors for broken files.
        return None


def values_or_none(source: Source, channels: int) -> np.ndarray | None:
    """Decodes an image file like `read_values`, or returns None on errors."""
    try:
        return read_values(source, channels)
    except Exception:  # Pillow raises many kinds of errors for broken files.
        return None


def read_header(source: Source, form: PixelFormat = RGB) -> Header | str:
    """Reads an image's header, without decoding any pixel.

    Args:
        source: A path, or a file that is open for reading.
        form: The channels that are wanted.

    Returns:
        The header, or a reason for `Skipped` if the file cannot be read as an
        image of these channels.
    """
    try:
        bands = None if form.usual else _bands(source, form.channels)
        if bands:
            return Header(bands.height, bands.width, False)
        with _open(source) as image:
            height, width = _upright_size(image)
            if not form.usual:
                _check_channels(image, form.channels)
            is_deep = form.usual and image.mode.startswith("I")
            return Header(height, width, is_deep)
    except Exception as error:  # Pillow raises many kinds for broken files.
        if form.usual and not isinstance(error, Refused):
            return _why_no_rgb(source) or why_not_read(error)
        return why_not_read(error)


def why_not_read(error: Exception) -> str:
    """Returns a reason for `Skipped` that fits an error of this module."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return _too_large()
    return UNREADABLE


@contextlib.contextmanager
def _upright(source: Source) -> Iterator[tuple[Image.Image, exif.Exif]]:
    """Opens an image, checks it, waits for memory and turns it upright."""
    with _open(source) as image:
        _check_scans(image, source)
        with _BUDGET.taken(image.width * image.height):
            details = exif.read(image)
            ImageOps.exif_transpose(image, in_place=True)
            yield image, details


def _open(source: Source) -> Image.Image:
    """Opens an image and reads its header.

    Raises:
        Refused: If it is not an ordinary file, or is too large.
        OSError, ValueError and others: If it is not an image of a format that
            can be read here.
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
    """Returns the size of a file in bytes.

    Raises:
        Refused: If it is not an ordinary file.
    """
    if not isinstance(source, (str, bytes, os.PathLike)):
        return source.seek(0, os.SEEK_END)
    # Opening a pipe would wait forever, and a device may do anything.
    state = os.stat(source)
    if not stat.S_ISREG(state.st_mode):
        raise Refused("that are no ordinary files")
    return state.st_size


def _check_scans(image: Image.Image, source: Source) -> None:
    """Checks that a JPEG does not have too many scans over its pixels.

    Raises:
        Refused: If it has too many scans.
    """
    if image.format not in ("JPEG", "MPO"):
        return
    pixels = image.width * image.height
    if pixels * _file_size(source) <= MOST_WORK * _LEAST_SCAN_BYTES:
        return  # The file is too small to hold so many scans.
    with opened(source) as file:
        # These two bytes do not occur elsewhere in the coded data; a thumbnail
        # may add one scan.
        scans = file.read().count(_START_OF_SCAN)
    if pixels * scans > MOST_WORK:
        raise Refused("that go over their pixels too often")


def _bands(source: Source, channels: int) -> tiff_file.Layout | None:
    """Returns the layout of a TIFF that tifffile reads; None for others.

    Raises:
        Refused: If it is too large, or has other bands.
    """
    size = _file_size(source)  # Refuses what is no file.
    if not tiff_file.is_tiff(source):
        return None
    found = tiff_file.layout(source, channels)
    if found.is_plain:
        return None
    pixels = found.height * found.width
    if pixels > MOST_PIXELS:
        raise Refused(_too_large())
    if pixels * found.bands > max(LARGE_PIXELS, MOST_PIXELS_A_BYTE * size):
        raise Refused("of too few bytes for their size")
    if found.bands not in (channels, 1) or (
        found.bands == 1 and channels not in (1, 3)
    ):
        raise Refused(other_bands(found.bands, channels))
    return found


def _why_no_rgb(source: Source) -> str:
    """Returns why a TIFF of several bands is no RGB; "" for other files."""
    try:
        if tiff_file.is_tiff(source):
            found = tiff_file.layout(source, RGB.channels)
            if found.bands not in (1, RGB.channels):
                return other_bands(found.bands, RGB.channels)
    except Exception:  # The file is damaged, or tifffile is missing.
        return ""
    return ""


def _check_channels(image: Image.Image, channels: int) -> None:
    """Checks that an image that Pillow reads can have these channels.

    Raises:
        Refused: If it cannot.
    """
    is_deep = image.mode.startswith(("I", "F"))
    if channels not in ((1, 3) if is_deep else (1, 3, 4)):
        found = 1 if is_deep else len(image.getbands())
        raise Refused(other_bands(found, channels))


def _channels(image: Image.Image, channels: int) -> np.ndarray:
    """Returns the values of an image that Pillow reads, `[H, W, C]`.

    Raises:
        Refused: If it has other channels.
    """
    _check_channels(image, channels)
    if image.mode.startswith(("I", "F")):
        return fitting(np.asarray(image), channels)
    if channels == 1:
        return _on_paper(image, "L", 1)
    rgb = _on_paper(image, "RGB", 3)
    if channels == 3:
        return rgb
    alpha = _alpha(image)
    if alpha is None:
        alpha = np.full(rgb.shape[:2], _WHITE, np.uint8)
    return np.dstack([rgb, alpha])


def _too_large() -> str:
    return f"that have more than {MOST_PIXELS:,} pixels"


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """Returns the (H, W) of the upright image from its header."""
    width, height = image.size
    # Pillow turns the size of a TIFF itself. For a PNG without EXIF in its
    # header, Pillow would decode the whole image to look for it.
    asked = image.format not in ("TIFF", "PNG") or "exif" in image.info
    if asked and image.getexif().get(_ORIENTATION) in _LYING:
        return width, height
    return height, width


def _pixels(image: Image.Image, source: Source) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        return image_depth.to_rgb(image, source)
    return _on_paper(image, "RGB", 3)


def _alpha(image: Image.Image) -> np.ndarray | None:
    """Returns the opacity of each pixel; None if all are opaque."""
    if not image.has_transparency_data:
        return None
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return None if alpha.min() == 255 else alpha


def _on_paper(image: Image.Image, mode: str, channels: int) -> np.ndarray:
    """Converts an image on white to uint8 `[H, W, C]`, strip by strip.

    If converted at once, a large image would be in memory up to five times.
    """
    pixels = np.empty((image.height, image.width, channels), np.uint8)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        strip = image.crop((0, top, image.width, bottom))
        converted = np.asarray(_on_white(strip).convert(mode))
        pixels[top:bottom] = converted.reshape(-1, image.width, channels)
    return pixels


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image)
