"""Reads an image file of any kind to upright pixels: RGB, or other channels."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from and_tf.data import (
    exif,
    image_depth,
    image_endings,
    pixel_budget,
    tiff_file,
)
from and_tf.data.image_depth import Source, opened
from and_tf.data.pixel_budget import MOST_WORK, PixelBudget, file_size
from and_tf.data.pixel_format import (
    RGB,
    PixelFormat,
    fitting,
    other_bands,
    without_range,
)
from and_tf.data.walking import UNREADABLE, Refused

_LEAST_SCAN_BYTES = 10
_START_OF_SCAN = b"\xff\xda"
_BUDGET = PixelBudget(pixel_budget.MOST_IN_FLIGHT)
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
    if not form.usual and tiff_file.checked_layout(source, form.channels):
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
    bands = tiff_file.checked_layout(source, channels)
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
        bands = (
            None
            if form.usual
            else tiff_file.checked_layout(source, form.channels)
        )
        if bands:
            return Header(bands.height, bands.width, False)
        with _open(source) as image:
            height, width = _upright_size(image)
            if not form.usual:
                _check_channels(image, form.channels)
            elif image.mode.startswith("F"):
                raise Refused(without_range("float32"))
            is_deep = form.usual and image.mode.startswith("I")
            return Header(height, width, is_deep)
    except Exception as error:  # Pillow raises many kinds for broken files.
        if form.usual and not isinstance(error, Refused):
            return tiff_file.why_no_rgb(source) or why_not_read(error)
        return why_not_read(error)


def why_not_read(error: Exception) -> str:
    """Returns a reason for `Skipped` that fits an error of this module."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return pixel_budget.too_large()
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
    size = file_size(source)
    image = Image.open(source, formats=image_endings.formats())
    try:
        pixel_budget.check(image.width * image.height, size)
    except Refused:
        image.close()
        raise
    return image


def _check_scans(image: Image.Image, source: Source) -> None:
    """Checks that a JPEG does not have too many scans over its pixels.

    Raises:
        Refused: If it has too many scans.
    """
    if image.format not in ("JPEG", "MPO"):
        return
    pixels = image.width * image.height
    if pixels * file_size(source) <= MOST_WORK * _LEAST_SCAN_BYTES:
        return  # The file is too small to hold so many scans.
    with opened(source) as file:
        # These two bytes do not occur elsewhere in the coded data; a thumbnail
        # may add one scan.
        scans = file.read().count(_START_OF_SCAN)
    if pixels * scans > MOST_WORK:
        raise Refused("that go over their pixels too often")


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
