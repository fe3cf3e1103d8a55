"""Compares two images window by window, to tell a copy from a likeness.

Two photographs of a beach correlate well as a whole: bright above, dark below.
Their details do not. So small windows are compared one by one, each after its
own mean and contrast, by the structure term of SSIM [1]. The agreement of two
images is the share of windows with any details whose structure is the same. A
filter changes no structure, and a watermark or a line of text changes that of
the windows below it alone.

[1] Wang et al., Image Quality Assessment: From Error Visibility to Structural
    Similarity, 2004. https://doi.org/10.1109/TIP.2003.819861
"""

from __future__ import annotations

import functools

import numpy as np
from scipy import ndimage

SIDE = 32  # The side at which images are compared, in pixels.
WINDOW = 7
_SAME = 0.9  # The least structure term of windows that are the same.
_DETAIL = 2.0  # The least standard deviation of a window with details.
_LEAST_DETAIL = 0.05  # The least share of such windows.
# Noise of about this standard deviation, in levels, has no structure.
_NOISE = 2.0
_SMALLEST = 1e-3  # A variance that explains nothing.
_PIECE = 1024  # Pairs compared at a time, some megabytes for each array.


_mean = functools.partial(
    ndimage.uniform_filter, size=(1, WINDOW, WINDOW), mode="reflect"
)


def small(grey: np.ndarray) -> np.ndarray:
    """Halves grey thumbnails [..., 64, 64] to float32 [..., 32, 32]."""
    return halved(grey)


def halved(images: np.ndarray) -> np.ndarray:
    """Halves the sides of images [..., H, W], which are even, to float32."""
    *front, height, width = images.shape
    blocks = images.reshape(*front, height // 2, 2, width // 2, 2)
    return blocks.mean(axis=(-3, -1), dtype=np.float32)


def has_details(images: np.ndarray, least: float = _LEAST_DETAIL) -> np.ndarray:
    """Returns whether images have details to compare, bool [n].

    Args:
        images: [n, 32, 32], grey values 0..255.
    """
    result = np.empty(len(images), bool)
    for start in range(0, len(images), _PIECE):
        part = images[start : start + _PIECE].astype(np.float32)
        _, variance = windows(part)
        detailed = (variance > _DETAIL**2).mean(axis=(1, 2))
        result[start : start + len(part)] = detailed >= _LEAST_DETAIL
    return result


def agreement(
    first: np.ndarray,
    second: np.ndarray,
    common: np.ndarray | None = None,
    least: float = _SAME,
) -> np.ndarray:
    """Returns the share of windows with details that are the same.

    Args:
        first: float32 [p, 32, 32], grey values 0..255.
        second: float32 [p, 32, 32], the images to compare them with.
        common: float32 [p, 32, 32], what is no sign of a copy, as many images
            have it. The windows have to be the same also after a multiple of
            its windows is taken out of both, that which explains most of each.
            None is nothing.
        least: The least structure term of windows that are the same.

    Returns:
        float32 [p], 0..1. It is 0 where there are hardly any details, as
        nothing tells such images apart.
    """
    result = np.empty(len(first), np.float32)
    for start in range(0, len(first), _PIECE):
        part = slice(start, start + _PIECE)
        known = None if common is None else common[part]
        result[part] = _agreement(first[part], second[part], known, least)
    return result


def _agreement(
    first: np.ndarray,
    second: np.ndarray,
    common: np.ndarray | None,
    least: float,
) -> np.ndarray:
    first_mean, first_var = windows(first)
    second_mean, second_var = windows(second)
    covariance = _mean(first * second) - first_mean * second_mean
    structure = _structure(covariance, first_var, second_var)
    if common is not None:
        mean, variance = windows(common)
        variance = np.maximum(variance, _SMALLEST)
        one = _mean(first * common) - first_mean * mean
        two = _mean(second * common) - second_mean * mean
        own = _structure(
            covariance - one * two / variance,
            np.maximum(first_var - one**2 / variance, 0),
            np.maximum(second_var - two**2 / variance, 0),
        )
        structure = np.minimum(structure, own)
    detailed = np.maximum(first_var, second_var) > _DETAIL**2
    count = detailed.sum(axis=(1, 2))
    same = (detailed & (structure > least)).sum(axis=(1, 2))
    enough = count >= _LEAST_DETAIL * first[0].size
    return np.where(enough, same / np.maximum(count, 1), 0)


def _structure(
    covariance: np.ndarray, first_var: np.ndarray, second_var: np.ndarray
) -> np.ndarray:
    """Returns the structure term of SSIM.

    With noise in each factor, a flat window is unlike one with details, and
    two flat windows are the same.
    """
    noise = _NOISE**2
    spread = np.sqrt((first_var + noise) * (second_var + noise))
    return (covariance + noise) / spread


def windows(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the variance around each pixel, [p, 32, 32]."""
    mean = _mean(images)
    return mean, np.maximum(_mean(images * images) - mean**2, 0)
