"""Reads TIFFs of any number of bands and any depth, by tifffile.

Bands lie in one page, pixel by pixel or plane by plane, or in as many pages of
one band each. Pillow reads the other TIFFs: grey and colour of 8 bits.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from and_tf.data.image_depth import Source, opened
from and_tf.data.pixel_budget import check, file_size
from and_tf.data.pixel_format import RGB, other_bands
from and_tf.data.walking import Refused

MISSING = (
    "that need the packages tifffile and imagecodecs (pip install '.[tiff]')"
)
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LYING = (5, 6, 7, 8)  # Orientations of an image on its side.
# Samples of the photometric interpretations that Pillow reads, by number.
_PLAIN = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}
_OPACITY = (1, 2)  # Values of the tag ExtraSamples.
_NO_DATA = 42113  # GDAL's tag.
_MOST_TILE = 2**26  # Values of a tile or strip.


class Layout(NamedTuple):
    """The layout of a TIFF.

    Attributes:
        height: The height of the upright image, in pixels.
        width: Its width.
        bands: The number of bands.
        value_bytes: The size of a value.
        is_plain: Whether Pillow reads it as it is.
    """

    height: int
    width: int
    bands: int
    value_bytes: int
    is_plain: bool


def is_tiff(source: Source) -> bool:
    """Returns whether a file begins as a TIFF does."""
    with opened(source) as file:
        return file.read(4) in _MAGIC


def checked_layout(source: Source, channels: int) -> Layout | None:
    """Returns the layout of a TIFF that is read here; None for other files.

    Args:
        source: A path, or a file that is open for reading.
        channels: The number of channels that is wanted.

    Raises:
        Refused: If it is too large, or has other bands.
    """
    size = file_size(source)  # Refuses what is no file.
    if not is_tiff(source):
        return None
    found = layout(source, channels)
    if found.is_plain:
        return None
    check(found.height * found.width, size, found.bands)
    if found.bands not in (channels, 1) or (
        found.bands == 1 and channels not in (1, 3)
    ):
        raise Refused(other_bands(found.bands, channels))
    return found


def why_no_rgb(source: Source) -> str:
    """Returns why a TIFF of several bands is no RGB; "" for other files.

    Args:
        source: A path, or a file that is open for reading.
    """
    try:
        if is_tiff(source):
            found = layout(source, RGB.channels)
            if found.bands not in (1, RGB.channels):
                return other_bands(found.bands, RGB.channels)
    except Exception:  # The file is damaged, or tifffile is missing.
        return ""
    return ""


def layout(source: Source, channels: int) -> Layout:
    """Reads the layout of a TIFF from its headers.

    Args:
        source: A path, or a file that is open for reading.
        channels: The number of bands that is wanted. A file of one band has
            as many as it has pages if that is this number.

    Raises:
        Refused: If tifffile is missing, or the file is of another kind.
        Exception: If it is damaged.
    """
    with _pages(source, channels) as pages:
        page = pages[0]
        _check(page)
        height, width = page.imagelength, page.imagewidth
        if _orientation(page) in _LYING:
            height, width = width, height
        bands = page.samplesperpixel * len(pages)
        return Layout(
            height,
            width,
            bands,
            page.dtype.itemsize,
            len(pages) == 1 and _is_plain(page),
        )


def read(source: Source, channels: int) -> np.ndarray:
    """Decodes a TIFF of as many bands as are wanted.

    Args:
        source: A path, or a file that is open for reading.
        channels: C, the number of bands.

    Returns:
        `[H, W, C]`, upright, of the file's type; pixels that GDAL marks as
        without data are NaN, and all then float32.

    Raises:
        Refused: If it has other bands.
        Exception: If it is damaged.
    """
    with _pages(source, channels) as pages:
        for page in pages:
            _check(page)
        bands = pages[0].samplesperpixel * len(pages)
        if bands != channels:
            raise Refused(other_bands(bands, channels))
        images = [_decoded(page) for page in pages]
        image = images[0] if len(images) == 1 else np.concatenate(images, 2)
        turned = _turned(image, _orientation(pages[0]))
        return np.ascontiguousarray(turned)


@contextlib.contextmanager
def _pages(source: Source, channels: int) -> Iterator[list[Any]]:
    """Opens the pages that hold the bands."""
    try:
        import tifffile
    except ImportError as error:
        raise Refused(MISSING) from error
    # Its warnings are of tags that nothing here reads.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    # Its reading depends on a name, and stumbles over one of bytes.
    with opened(source) as file, tifffile.TiffFile(file, name="_") as tiff:
        pages: list[Any] = [tiff.pages[0]]
        if pages[0].samplesperpixel == 1 and channels > 1:
            pages = _stack(tiff.pages, channels) or pages
        yield pages


def _stack(pages: Any, channels: int) -> list[Any]:
    """Returns the pages of a stack of `channels` equal ones, or none."""
    found = []
    for number in range(channels + 1):
        try:
            found.append(pages[number])
        except IndexError:
            break
    kinds = {(page.shape, page.dtype) for page in found}
    return found if len(found) == channels and len(kinds) == 1 else []


def _check(page: Any) -> None:
    """Checks that a page is an image of numbers in strips of a usual size.

    Raises:
        Refused: If it is not.
    """
    if page.dtype is None or page.dtype.kind not in "buif":
        raise Refused(f"of {page.dtype or 'unknown'} values")
    if page.imagedepth != 1:
        raise Refused("of volumes")
    tile = page.tilewidth * page.tilelength * page.tiledepth
    if page.is_tiled and tile * page.samplesperpixel > _MOST_TILE:
        raise Refused("of too large tiles")


def _is_plain(page: Any) -> bool:
    """Returns whether Pillow reads a page with all of its bands."""
    eight = page.dtype.kind in "bu" and page.dtype.itemsize == 1
    samples = _PLAIN.get(int(page.photometric))
    extra = tuple(page.extrasamples)
    seen = samples is not None and page.samplesperpixel == samples + len(extra)
    return eight and seen and (not extra or extra[0] in _OPACITY)


def _orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return tag.value if tag is not None else 1


def _decoded(page: Any) -> np.ndarray:
    """Decodes a page to `[H, W, c]`, as it is stored."""
    # [planes, depth, H, W, values of a pixel]
    image = page.asarray(squeeze=False, maxworkers=1)[:, 0]
    image = np.moveaxis(image, 0, 2)
    image = image.reshape(*image.shape[:2], -1)
    if image.dtype == bool:
        return image.astype(np.uint8) * 255
    if page.photometric == 0 and image.dtype.kind == "u":  # White is 0.
        image = 2**page.bitspersample - 1 - image
    nothing = page.tags.get(_NO_DATA)
    if nothing is not None and image.dtype != np.uint8:
        with contextlib.suppress(ValueError):
            marked = image == float(nothing.value)
            image = image.astype(np.float32)
            image[marked] = np.nan
    return image


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turns an image upright by the orientation of its tag."""
    if orientation in _LYING:
        image = image.swapaxes(0, 1)  # Which is orientation 5.
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return image[::rows, ::columns]
