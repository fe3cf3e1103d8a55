"""Measures what an image looks like, on a small copy of its pixels."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE = 256  # The longer side at which images are measured, in pixels.
GREY = 64  # The side of the grey thumbnails that duplicates are compared by.
CHROMA = 8  # The side of their colour.
THUMBNAIL = 96  # The side of the thumbnails to look at.
_QUALITY = 85
_LEVELS = 255
_NEAR = 12  # Colours whose channels differ by less look the same.
_COARSE = (
    16  # The width of the bins in which the commonest colour is looked up.
)


class Measures(NamedTuple):
    """Measures of an image.

    Attributes:
        brightness: The mean luma, 0 (black) to 1 (white).
        contrast: The 95th less the 5th percentile of the luma, 0..1.
        sharpness: The variance of the luma's Laplacian over the variance of
            the luma. It depends on neither the contrast nor, for photographs,
            the size: their details have about the same share at any scale.
        one_colour: The share of pixels that look like the commonest colour.
    """

    brightness: float
    contrast: float
    sharpness: float
    one_colour: float


def shrunk(pixels: np.ndarray) -> Image.Image:
    """Returns an image whose longer side is at most `SIDE`, antialiased.

    Args:
        pixels: uint8 [H, W, 3].
    """
    image = Image.fromarray(pixels)
    scale = min(1.0, SIDE / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize(
        (width, height), Image.Resampling.BILINEAR, reducing_gap=2.0
    )


def measure(image: Image.Image) -> Measures:
    """Measures an image that `shrunk` returned."""
    luma = np.asarray(image.convert("L"), np.float32)  # [h, w]
    low, high = np.percentile(luma, (5, 95))
    return Measures(
        float(luma.mean()) / _LEVELS,
        float(high - low) / _LEVELS,
        _sharpness(luma),
        _share_of_one_colour(np.asarray(image)),
    )


def grey(image: Image.Image) -> np.ndarray:
    """Returns the whole image as uint8 [GREY, GREY], whatever its aspect."""
    return np.asarray(_square(image.convert("L"), GREY))


def chroma(image: Image.Image) -> np.ndarray:
    """Returns the colours Cb and Cr of the image, uint8 [CHROMA, CHROMA, 2]."""
    return np.asarray(_square(image, CHROMA).convert("YCbCr"))[..., 1:]


def thumbnail(image: Image.Image) -> bytes:
    """Returns the centre square of the image as a JPEG of side `THUMBNAIL`."""
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    box = (left, top, left + side, top + side)
    small = image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC, box)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _square(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BILINEAR)


def _sharpness(luma: np.ndarray) -> float:
    if min(luma.shape) < 3:
        return 0.0
    inner = luma[1:-1, 1:-1]
    laplacian = (
        luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    ) - 4 * inner
    # One level of noise, which rounding makes, is no detail.
    return float(laplacian.var() / (luma.var() + 1))


def _share_of_one_colour(pixels: np.ndarray) -> float:
    """Returns the share of pixels [h, w, 3] near the commonest colour."""
    colours = pixels.reshape(-1, 3)
    bins = colours // _COARSE @ np.array([256, 16, 1])
    commonest = np.bincount(bins).argmax()
    centre = np.median(colours[bins == commonest], axis=0)
    far = np.abs(colours - centre).max(axis=1)
    return float((far < _NEAR).mean())
