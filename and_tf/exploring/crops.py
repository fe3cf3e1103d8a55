"""Looks for an image in another one, of which it may be a part.

Correlations at all offsets and some sizes, by Fourier transforms, name a place;
ever smaller steps from there make it exact; `matching.agreement` judges it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import fft

from and_tf.exploring import matching

# A speck on a clear sky fits any other one if it may be moved and scaled. So
# parts need more details, and have to correlate as a whole.
_DETAIL_OF_PART, _LEAST_DETAIL_OF_PART = 4.0, 0.2
_SAME_WHOLE = 0.97
# The sides of crops that are looked for, as shares of the largest that fits.
_SCALES = np.linspace(1, 0.5, 9)
_LEAST_SIDE = 4
# The least correlation of a place that is looked at closer. Of 792 crops that
# were found among photographs, 4 in 1,000 reached less than 0.86, and of pairs
# of other photographs 3 in 1,000 more than 0.8.
_PROMISING = 0.8
# The same at half the side, where a place takes a quarter of the time. All of
# 400 crops reached 0.76, and a third of the pairs of nearest neighbours do.
_ROUGHLY = 0.7
_STEPS = (1 / 32, 1 / 64, 1 / 128)

Box = tuple[float, float, float, float]  # Left, top, width, height.


class Crop(NamedTuple):
    """The place of an image in another one, as shares of its sides.

    Attributes:
        agreement: See `matching.agreement`.
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


def find_crops(
    wholes: np.ndarray, parts: np.ndarray, ratios: np.ndarray
) -> list[Crop | None]:
    """Looks for images in other ones, of which they may be parts.

    Args:
        wholes: uint8 [p, 64, 64], the grey thumbnails of the larger images.
        parts: uint8 [p, 64, 64], those of the images that may be parts.
        ratios: float [p], the aspect (width over height) of the larger image
            over that of the other one.

    Returns:
        The best place of each pair, or None if no place is promising.
    """
    # Pairs of the same shapes are compared together.
    shapes: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for pair, ratio in enumerate(ratios.tolist()):
        shapes.setdefault(_sizes(ratio), []).append(pair)
    small_wholes, small_parts = matching.small(wholes), matching.small(parts)
    crops: list[Crop | None] = [None] * len(parts)
    for sizes, pairs in shapes.items():
        starts = _starts(small_wholes[pairs], small_parts[pairs], sizes)
        for pair, start in zip(pairs, starts, strict=True):
            if start is not None:
                crops[pair] = _closer(
                    Image.fromarray(wholes[pair]),
                    small_parts[pair],
                    start,
                    float(ratios[pair]),
                )
    return crops


def _sizes(ratio: float) -> tuple[tuple[int, int], ...]:
    """Returns the heights and widths that a part may have, in 32nds.

    A part keeps its aspect, so that its height is its width times the ratio.
    """
    widths = _SCALES * min(1.0, 1 / ratio) * matching.SIDE
    return tuple(
        (max(_LEAST_SIDE, round(width * ratio)), max(_LEAST_SIDE, round(width)))
        for width in widths.tolist()
    )


def _starts(
    wholes: np.ndarray, parts: np.ndarray, sizes: tuple[tuple[int, int], ...]
) -> list[Box | None]:
    """Returns promising places, looked for at half the side first."""
    halves = tuple((rows // 2, columns // 2) for rows, columns in sizes[::2])
    roughly = _promising(
        matching.halved(wholes), matching.halved(parts), halves, _ROUGHLY
    )
    some = [pair for pair, place in enumerate(roughly) if place is not None]
    places: list[Box | None] = [None] * len(parts)
    if some:
        found = _promising(wholes[some], parts[some], sizes, _PROMISING)
        for pair, place in zip(some, found, strict=True):
            places[pair] = place
    return places


def _promising(
    wholes: np.ndarray,
    parts: np.ndarray,
    sizes: tuple[tuple[int, int], ...],
    least: float,
) -> list[Box | None]:
    """Returns the place of highest correlation of each pair, if it is high.

    Args:
        wholes: float32 [p, S, S].
        parts: float32 [p, S, S].
        sizes: The heights and widths of parts to try, in pixels.
        least: The least correlation.
    """
    side = wholes.shape[1]
    best = np.full(len(parts), least)
    places: list[Box | None] = [None] * len(parts)
    spectra = fft.rfft2(wholes)
    sums, squares = _integral(wholes), _integral(wholes * wholes)
    for rows, columns in sizes:
        found = _correlations(spectra, sums, squares, parts, rows, columns)
        flat = found.reshape(len(parts), -1)
        highest = flat.argmax(axis=1)
        value = flat[np.arange(len(parts)), highest]
        for pair in np.flatnonzero(value > best).tolist():
            top, left = divmod(int(highest[pair]), found.shape[2])
            places[pair] = (
                left / side, top / side, columns / side, rows / side
            )  # fmt: skip
        best = np.maximum(best, value)
    return places


def _correlations(
    spectra: np.ndarray,
    sums: np.ndarray,
    squares: np.ndarray,
    parts: np.ndarray,
    rows: int,
    columns: int,
) -> np.ndarray:
    """Correlates images with their parts, shrunk to a size, at all offsets."""
    side = parts.shape[1]
    template = _shrinking(rows, side) @ parts @ _shrinking(columns, side).T
    template -= template.mean(axis=(1, 2), keepdims=True)
    products = fft.irfft2(
        spectra * np.conj(fft.rfft2(template, (side, side))), (side, side)
    )[:, : side - rows + 1, : side - columns + 1]
    count = rows * columns
    total = _boxes(sums, rows, columns)
    spread = _boxes(squares, rows, columns) - total**2 / count
    # A level of noise for each pixel keeps flat places from dividing by zero.
    norm = np.linalg.norm(template, axis=(1, 2))[:, None, None]
    return products / (np.sqrt(np.maximum(spread, count)) * np.maximum(norm, 1))


class _Fit:
    """Tells how well the boxes of an image fit a part.

    Args:
        image: The image.
        part: float32 [32, 32].
    """

    def __init__(self, image: Image.Image, part: np.ndarray) -> None:
        self._image = image
        self._part, self._squares = _centred(part)
        self._known: dict[Box, float] = {}

    def cut(self, box: Box) -> np.ndarray:
        """Returns a box of the image, float32 [32, 32]."""
        left, top, width, height = box
        side = self._image.width
        corners = (
            left * side,
            top * side,
            min((left + width) * side, side),
            min((top + height) * side, side),
        )
        size = (matching.SIDE, matching.SIDE)
        cut = self._image.resize(size, Image.Resampling.BILINEAR, corners)
        return np.asarray(cut, np.float32)

    def correlation(self, box: Box) -> float:
        """Returns how well a box correlates with the part.

        Refining comes to the same box again and again, by a step back or by
        one over the edge of the image, so that it is remembered.
        """
        if box not in self._known:
            cut, squares = _centred(self.cut(box))
            norms = np.sqrt(squares * self._squares)
            found = (cut * self._part).sum() / max(norms, 1.0)
            self._known[box] = float(found)
        return self._known[box]


def _centred(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Takes the mean out of an image; returns the sum of its squares, too."""
    centred = image - image.mean()
    return centred, (centred * centred).sum()


def _closer(
    image: Image.Image, part: np.ndarray, start: Box, ratio: float
) -> Crop | None:
    """Refines a promising place, and returns how well it agrees."""
    fit = _Fit(image, part)
    box = _refined(fit, start, ratio)
    cut = fit.cut(box)
    _, variance = matching.windows(np.stack([cut, part]))
    detailed = (variance.min(axis=0) > _DETAIL_OF_PART**2).mean()
    alike = fit.correlation(box) > _SAME_WHOLE
    if detailed < _LEAST_DETAIL_OF_PART or not alike:
        return None
    return Crop(float(matching.agreement(cut[None], part[None])[0]), *box)


def _refined(fit: _Fit, box: Box, ratio: float) -> Box:
    """Moves and scales a box in ever smaller steps as correlation rises.

    Args:
        fit: What is to be highest.
        box: Where to begin.
        ratio: Height over width of the box, in shares of the image's sides.
    """
    box = _inside(*box[:3], ratio)
    best = fit.correlation(box)
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for tried in _beside(box, step, ratio):
                found = fit.correlation(tried)
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


@functools.cache
def _shrinking(fewer: int, side: int) -> np.ndarray:
    """Returns the matrix [fewer, side] that averages pixels down to fewer."""
    edges = np.linspace(0, side, fewer + 1)
    starts = np.maximum(edges[:-1, None], np.arange(side))
    ends = np.minimum(edges[1:, None], np.arange(1, side + 1))
    shares = np.maximum(ends - starts, 0)
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def _integral(images: np.ndarray) -> np.ndarray:
    sums = images.astype(np.float64).cumsum(1).cumsum(2)
    return np.pad(sums, ((0, 0), (1, 0), (1, 0)))


def _boxes(sums: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Returns the sums over all boxes of a size, from integral images."""
    return (
        sums[:, rows:, columns:]
        - sums[:, :-rows, columns:]
        - sums[:, rows:, :-columns]
        + sums[:, :-rows, :-columns]
    )
