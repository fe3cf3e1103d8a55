"""Finds images that look alike by perceptual hashes, in any orientation.

The hash of an image is the signs of the lowest 16×16 coefficients of its
discrete cosine transform, as in pHash [1], but with 255 bits and not 64: with
64, thousands of different photographs have hashes that differ in few bits. The
mean, the first coefficient, has no bit.

Turning or mirroring an image changes the signs of the coefficients and swaps
their axes, so that the hashes of all eight orientations follow from one. The
coefficients fall in four classes, by whether their row and their column are
odd. Mirroring negates whole classes; thus the products of the classes give
the similarities of four orientations, and their products with the swapped hash
give those of the other four.

[1] Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
    2010. https://www.phash.org/docs/pubs/thesis_zauner.pdf
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import fft

SIDE = 16
BITS = SIDE * SIDE - 1
ORIENTATIONS = 8
_ROWS, _COLUMNS = 256, 2048  # A block of products takes some megabytes.
_PIECE = 4096  # Images transformed at a time.


class Candidates(NamedTuple):
    """Pairs of images that may look alike.

    Attributes:
        first: int64 [p], the rows of the first images.
        second: int64 [p], the rows of the second images.
        orientation: int64 [p], how the first image has to be turned to look
            like the second; see `turned`.
        distance: int64 [p], the number of bits in which the hashes of the
            turned first image and of the second differ.
    """

    first: np.ndarray
    second: np.ndarray
    orientation: np.ndarray
    distance: np.ndarray


def turned(images: np.ndarray, orientation: int) -> np.ndarray:
    """Turns square images.

    Args:
        images: [..., S, S].
        orientation: 0..7, the sum of 4 for swapping rows and columns first, 2
            for mirroring top and bottom then, and 1 for left and right.
    """
    if orientation & 4:
        images = images.swapaxes(-1, -2)
    if orientation & 2:
        images = images[..., ::-1, :]
    return images[..., ::-1] if orientation & 1 else images


def hashes(images: np.ndarray) -> np.ndarray:
    """Computes the hashes of images.

    Args:
        images: [N, S, S], grey images of side 16 at least.

    Returns:
        int8 [N, 16, 16] of −1 and 1; the first is 0, as is the sign of a
        coefficient that is too small to have one.
    """
    signs = np.empty((len(images), SIDE, SIDE), np.int8)
    for start in range(0, len(images), _PIECE):
        part = images[start : start + _PIECE].astype(np.float32)
        found = fft.dctn(part, axes=(1, 2), norm="ortho")[:, :SIDE, :SIDE]
        # Where nothing varies along an axis, coefficients are 0 but for
        # rounding.
        found[np.abs(found) < 1e-2] = 0
        signs[start : start + len(part)] = np.sign(found)
    signs[:, 0, 0] = 0
    return signs


def similar(signs: np.ndarray, most: int) -> Iterator[Candidates]:
    """Finds the pairs of images whose hashes differ in few bits.

    All pairs are compared, block by block. Of the orientations of a pair, the
    one with the fewest bits is named.

    Args:
        signs: int8 [N, 16, 16] of `hashes`.
        most: The number of bits that may differ, of 255.

    Yields:
        The pairs of some rows with later rows, each pair once.
    """
    least = BITS - 2 * most - 1  # A sign of 0 counts as half a bit.
    straight = _by_class(signs)
    swapped = _by_class(signs.swapaxes(1, 2))
    for row in range(0, len(signs), _ROWS):
        for column in range(row, len(signs), _COLUMNS):
            found = np.maximum(
                _highest(straight, straight, row, column),
                _highest(swapped, straight, row, column),
            )
            first, second = np.nonzero(found >= least)
            first, second = first + row, second + column
            once = first < second
            if once.any():
                yield _named(signs, first[once], second[once])


def _by_class(signs: np.ndarray) -> np.ndarray:
    """Returns the signs by the oddness of row and column, f32 [4, N, 64]."""
    classes = [
        signs[:, row::2, column::2].reshape(len(signs), -1)
        for row in (0, 1)
        for column in (0, 1)
    ]
    return np.stack(classes).astype(np.float32)


def _highest(
    rows: np.ndarray, columns: np.ndarray, row: int, column: int
) -> np.ndarray:
    """Returns the highest similarity of four orientations, [r, c]."""
    products = rows[:, row : row + _ROWS] @ columns[
        :, column : column + _COLUMNS
    ].swapaxes(1, 2)  # [4, r, c]
    even, odd_column, odd_row, odd = products
    # Mirroring top and bottom negates the odd rows, left and right the odd
    # columns, so that what is odd in both keeps the product of both signs.
    return np.maximum(
        even + odd + np.abs(odd_column + odd_row),
        even - odd + np.abs(odd_column - odd_row),
    )


def _named(
    signs: np.ndarray, first: np.ndarray, second: np.ndarray
) -> Candidates:
    """Names the best orientation of each pair, the upright one if equal."""
    products = [
        np.einsum("pij,pij->p", _turned_signs(signs[first], o), other)
        for other in (signs[second].astype(np.int32),)
        for o in range(ORIENTATIONS)
    ]
    best = np.argmax(products, axis=0)
    distance = (BITS - np.max(products, axis=0)) // 2
    return Candidates(first, second, best, distance)


def _turned_signs(signs: np.ndarray, orientation: int) -> np.ndarray:
    """Returns the hashes [p, 16, 16] of the turned images."""
    if orientation & 4:
        signs = signs.swapaxes(1, 2)
    alternating = np.where(np.arange(SIDE) % 2, -1, 1)
    if orientation & 2:
        signs = signs * alternating[:, None]
    return signs * alternating if orientation & 1 else signs
