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
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import fft, ndimage

SIDE = 32  # The side at which images are compared, in pixels.
WINDOW = 7
_SAME = 0.9  # The least structure term of windows that are the same.
_DETAIL = 2.0  # The least standard deviation of a window with details.
_LEAST_DETAIL = 0.05  # The least share of such windows.
# Noise of about this standard deviation, in levels, has no structure.
_NOISE = 2.0
# The sides of crops that are looked for, as shares of the largest that fits.
_SCALES = np.linspace(1, 0.5, 17)
_PROMISING = 0.7  # The least correlation of a place that is looked at closer.
_STEPS = (1 / 32, 1 / 64, 1 / 128)
_PIECE = 1024  # Pairs compared at a time, some megabytes for each array.


_mean = functools.partial(
    ndimage.uniform_filter, size=(1, WINDOW, WINDOW), mode="reflect"
)


class Crop(NamedTuple):
    """Where an image lies in another one, all as shares of its sides.

    Attributes:
        agreement: See `agreement`.
        left: The left side of the part.
        top: Its upper side.
        width: Its width.
        height: Its height.
    """

    agreement: float
    left: float
    top: float
    width: float
    height: float


def small(grey: np.ndarray) -> np.ndarray:
    """Halves grey thumbnails [..., 64, 64] to float32 [..., 32, 32]."""
    *front, height, width = grey.shape
    blocks = grey.reshape(*front, height // 2, 2, width // 2, 2)
    return blocks.mean(axis=(-3, -1), dtype=np.float32)


def has_details(images: np.ndarray) -> np.ndarray:
    """Returns whether images have details to compare, bool [n].

    Args:
        images: float32 [n, 32, 32], grey values 0..255.
    """
    result = np.empty(len(images), bool)
    for start in range(0, len(images), _PIECE):
        part = images[start : start + _PIECE]
        _, variance = _windows(part)
        detailed = (variance > _DETAIL**2).mean(axis=(1, 2))
        result[start : start + len(part)] = detailed >= _LEAST_DETAIL
    return result


def agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the share of windows with details that are the same.

    Args:
        first: float32 [p, 32, 32], grey values 0..255.
        second: float32 [p, 32, 32], the images to compare them with.

    Returns:
        float32 [p], 0..1. It is 0 where there are hardly any details, as
        nothing tells such images apart.
    """
    result = np.empty(len(first), np.float32)
    for start in range(0, len(first), _PIECE):
        part = slice(start, start + _PIECE)
        result[part] = _agreement(first[part], second[part])
    return result


def _agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first_mean, first_var = _windows(first)
    second_mean, second_var = _windows(second)
    covariance = _mean(first * second) - first_mean * second_mean
    spread = np.sqrt(first_var * second_var)
    noise = _NOISE**2
    structure = (covariance + noise) / (spread + noise)
    detailed = np.maximum(first_var, second_var) > _DETAIL**2
    count = detailed.sum(axis=(1, 2))
    same = (detailed & (structure > _SAME)).sum(axis=(1, 2))
    enough = count >= _LEAST_DETAIL * first[0].size
    return np.where(enough, same / np.maximum(count, 1), 0)


def _windows(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the variance around each pixel, [p, 32, 32]."""
    mean = _mean(images)
    return mean, np.maximum(_mean(images * images) - mean**2, 0)


def find_crop(
    whole: np.ndarray, part: np.ndarray, whole_aspect: float, part_aspect: float
) -> Crop | None:
    """Looks for an image in another one, of which it may be a part.

    Args:
        whole: uint8 [64, 64], the grey thumbnail of the larger image.
        part: uint8 [64, 64], that of the image that may be a part of it.
        whole_aspect: Width over height of the larger image itself.
        part_aspect: Width over height of the other image itself.

    Returns:
        The best place, or None if no place is promising.
    """
    # A part keeps its aspect: width · whole_aspect / height = part_aspect.
    widest = min(1.0, part_aspect / whole_aspect)
    widths = _SCALES * widest
    heights = widths * whole_aspect / part_aspect
    wanted = small(part)
    start = _promising(small(whole), wanted, widths, heights)
    if start is None:
        return None
    image = Image.fromarray(whole)
    box = _refined(image, wanted, start, whole_aspect / part_aspect)
    found = agreement(_cut(image, box)[None], wanted[None])
    return Crop(float(found[0]), *box)


Box = tuple[float, float, float, float]  # Left, top, width, height.


def _promising(
    whole: np.ndarray, part: np.ndarray, widths: np.ndarray, heights: np.ndarray
) -> Box | None:
    """Returns the place of highest correlation among all sizes and offsets."""
    sizes = [
        (max(1, round(height * SIDE)), max(1, round(width * SIDE)))
        for width, height in zip(widths, heights, strict=True)
    ]
    padded = np.zeros((len(sizes), SIDE, SIDE), np.float32)
    norms = np.empty(len(sizes), np.float32)
    for number, (rows, columns) in enumerate(sizes):
        template = _shrinking(rows) @ part @ _shrinking(columns).T
        template -= template.mean()
        padded[number, :rows, :columns] = template
        norms[number] = np.linalg.norm(template)
    products = fft.irfft2(
        fft.rfft2(whole) * np.conj(fft.rfft2(padded)), (SIDE, SIDE)
    )
    sums, squares = _integral(whole), _integral(whole * whole)
    best, place = _PROMISING, None
    for number, (rows, columns) in enumerate(sizes):
        down, right = SIDE - rows + 1, SIDE - columns + 1
        count = rows * columns
        total = _boxes(sums, rows, columns)
        spread = _boxes(squares, rows, columns) - total**2 / count
        norm = np.sqrt(np.maximum(spread, count)) * max(norms[number], 1)
        found = products[number, :down, :right] / norm
        highest = found.argmax()
        if found.flat[highest] > best:
            best = found.flat[highest]
            top, left = np.unravel_index(highest, found.shape)
            place = (left / SIDE, top / SIDE, widths[number], heights[number])
    return place


def _refined(
    image: Image.Image, part: np.ndarray, box: Box, ratio: float
) -> Box:
    """Moves and scales a box in ever smaller steps as correlation rises.

    Args:
        image: The image with the part.
        part: float32 [32, 32].
        box: Where to begin.
        ratio: Height over width of the box, in shares of the image's sides.
    """
    box = _inside(*box[:3], ratio)
    best = _correlation(_cut(image, box), part)
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for tried in _beside(box, step, ratio):
                found = _correlation(_cut(image, tried), part)
                if found > best + 1e-4:
                    box, best, moved = tried, found, True
    return box


def _beside(box: Box, step: float, ratio: float) -> list[Box]:
    left, top, width, height = box
    middle, centre = left + width / 2, top + height / 2
    moves = [
        (left - step, top, width), (left + step, top, width),
        (left, top - step, width), (left, top + step, width),
    ]  # fmt: skip
    for wider in (width - step, width + step):
        taller = wider * ratio
        moves.append((middle - wider / 2, centre - taller / 2, wider))
    return [_inside(*move, ratio) for move in moves]


def _inside(left: float, top: float, width: float, ratio: float) -> Box:
    """Moves a box into the image, and shrinks it if it is larger."""
    width = min(max(width, _STEPS[0]), 1.0, 1 / ratio)
    height = min(width * ratio, 1.0)
    left = min(max(left, 0.0), 1 - width)
    return left, min(max(top, 0.0), 1 - height), width, height


def _cut(image: Image.Image, box: Box) -> np.ndarray:
    left, top, width, height = box
    side = image.width
    corners = (
        left * side,
        top * side,
        min((left + width) * side, side),
        min((top + height) * side, side),
    )
    cut = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, corners)
    return np.asarray(cut, np.float32)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    norms = np.sqrt((first * first).sum() * (second * second).sum())
    return float((first * second).sum() / max(norms, 1.0))


@functools.cache
def _shrinking(side: int) -> np.ndarray:
    """Returns the matrix [side, 32] that averages 32 pixels down to fewer."""
    edges = np.linspace(0, SIDE, side + 1)
    starts = np.maximum(edges[:-1, None], np.arange(SIDE))
    ends = np.minimum(edges[1:, None], np.arange(1, SIDE + 1))
    shares = np.maximum(ends - starts, 0)
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def _integral(image: np.ndarray) -> np.ndarray:
    sums = image.astype(np.float64).cumsum(0).cumsum(1)
    return np.pad(sums, ((1, 0), (1, 0)))


def _boxes(sums: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Returns the sums over all boxes of a size, from an integral image."""
    return (
        sums[rows:, columns:]
        - sums[:-rows, columns:]
        - sums[rows:, :-columns]
        + sums[:-rows, :-columns]
    )
