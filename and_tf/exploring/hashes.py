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

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy import fft

from and_tf.search.blockwise import ahead

SIDE = 16
BITS = SIDE * SIDE - 1
ORIENTATIONS = 8
_CLASS = SIDE * SIDE // 4  # Signs whose row and column are odd or not.
_ROWS, _COLUMNS = 256, 1024  # A block of products takes 8 MB.
_NAMED = 4096  # Pairs whose orientation is found at a time.
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


def inverse(orientation: int) -> int:
    """Returns the orientation that undoes another one."""
    return {5: 6, 6: 5}.get(orientation, orientation)


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


def similar(
    signs: np.ndarray,
    most: int,
    wanted: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Candidates]:
    """Finds the pairs of images whose hashes differ in few bits.

    All pairs are compared, block by block, on the device that TensorFlow uses.
    An index of parts of the hashes would find the same pairs (of 15 parts, one
    misses at most 4 of 72 bits), but so many bits leave it little to tell: on
    3,000 images of CIFAR-10 and photographs it looks up 48,210 words for each
    hash and orientation, and a third of all pairs share one of them.

    Args:
        signs: int8 [N, 16, 16] of `hashes`.
        most: The number of bits that may differ, of 255.
        wanted: bool [N], the rows to pair with earlier ones. The caller may
            clear some between two yields; no later yield has these as second
            rows, and after some blocks they are not compared either. None
            means all.
        progress: Is called with numbers of rows whose sum is N in the end;
            they are in proportion to the pairs that were compared.

    Yields:
        Pairs of a row with a later one, each pair once, in the order of the
        first rows for each second row. Of the orientations of a pair, the one
        with the fewest bits is named.
    """
    wanted = np.ones(len(signs), bool) if wanted is None else wanted
    search = _Search(signs, BITS - 2 * most - 1)  # A 0 counts as half a bit.
    compared = 0
    for row, first, second in ahead(search.blocks(wanted)):
        for start in range(0, len(first), _NAMED):
            some = slice(start, start + _NAMED)
            new = (first[some] < second[some]) & wanted[second[some]]
            if new.any():
                yield best_turned(signs, first[some][new], second[some][new])
        if progress is not None:
            # Row i has N − i later ones, so the first rows take longest.
            share = 1 - (1 - row / max(len(signs), 1)) ** 2
            now = round(share * len(signs))
            progress(now - compared)
            compared = now
    if progress is not None:
        progress(len(signs) - compared)


class _Search:
    """A comparison of all hashes with each other, block by block.

    Args:
        signs: int8 [N, 16, 16].
        least: The least similarity of a pair that is found.
    """

    def __init__(self, signs: np.ndarray, least: int) -> None:
        self._straight = _by_class(signs)
        self._swapped = _by_class(signs.swapaxes(1, 2))
        self._least = least
        self._height = _padded(len(signs), _ROWS)
        self._width = _padded(len(signs), _COLUMNS)
        self._reaching = _reaching(self._height, self._width)

    def blocks(
        self, wanted: np.ndarray
    ) -> Iterator[Callable[[], tuple[int, np.ndarray, np.ndarray]]]:
        """Yields a call for each block of some rows with later, wanted ones.

        It returns the first row of the block, and the pairs that were found,
        some of which may be of a row with itself or an earlier one.
        """
        for row in range(0, len(wanted), self._height):
            columns = np.flatnonzero(wanted[row:]) + row
            for start in range(0, len(columns), self._width):
                part = columns[start : start + self._width]
                yield functools.partial(self._compare, row, part)

    def _compare(
        self, row: int, columns: np.ndarray
    ) -> tuple[int, np.ndarray, np.ndarray]:
        span = slice(row, row + self._height)
        count = min(self._height, self._straight.shape[1] - row)
        reached = self._reaching(
            _filled(self._straight[:, span], self._height),
            _filled(self._swapped[:, span], self._height),
            _filled(self._straight[:, columns], self._width),
            tf.constant(self._least, tf.float32),
        ).numpy()[:count, : len(columns)]
        first, second = np.nonzero(reached)
        return row, first + row, columns[second]


@functools.cache
def _reaching(height: int, width: int) -> Callable[..., tf.Tensor]:
    """Compiles the comparison of blocks of so many rows and columns."""

    def reaching(
        straight: tf.Tensor,
        swapped: tf.Tensor,
        columns: tf.Tensor,
        least: tf.Tensor,
    ) -> tf.Tensor:
        columns = tf.cast(columns, tf.float32)
        highest = [
            _highest(tf.cast(rows, tf.float32), columns)
            for rows in (straight, swapped)
        ]
        return tf.maximum(*highest) >= least  # [height, width]

    specs = [
        tf.TensorSpec([4, count, _CLASS], tf.int8)
        for count in (height, height, width)
    ]
    function = tf.function(reaching, autograph=False, jit_compile=True)
    return function.get_concrete_function(*specs, tf.TensorSpec([], tf.float32))


def _padded(count: int, most: int) -> int:
    """Returns a size for blocks of rows, of which there are few to compile."""
    return min(most, 1 << max(count - 1, 0).bit_length())


def _filled(signs: np.ndarray, count: int) -> np.ndarray:
    """Adds rows of 0 to signs [4, n, 64]."""
    missing = count - signs.shape[1]
    return np.pad(signs, [(0, 0), (0, missing), (0, 0)]) if missing else signs


def _by_class(signs: np.ndarray) -> np.ndarray:
    """Returns the signs by the oddness of row and column, int8 [4, N, 64]."""
    classes = [
        signs[:, row::2, column::2].reshape(len(signs), _CLASS)
        for row in (0, 1)
        for column in (0, 1)
    ]
    return np.stack(classes)


def _highest(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Returns the highest similarity of four orientations, [r, c].

    The factors are whole numbers, so that no device rounds them.
    """
    products = tf.matmul(rows, columns, transpose_b=True)  # [4, r, c]
    even, odd_column, odd_row, odd = tf.unstack(products)
    # Mirroring top and bottom negates the odd rows, left and right the odd
    # columns, so that what is odd in both keeps the product of both signs.
    return tf.maximum(
        even + odd + tf.abs(odd_column + odd_row),
        even - odd + tf.abs(odd_column - odd_row),
    )


def best_turned(
    signs: np.ndarray, first: np.ndarray, second: np.ndarray
) -> Candidates:
    """Finds the best orientation of pairs, the lowest number if equal.

    Args:
        signs: int8 [N, 16, 16] of `hashes`.
        first: int64 [p], the rows of the first images.
        second: int64 [p], the rows of the second images.
    """
    rows = signs[first].astype(np.int16)
    both = np.stack([rows, rows.swapaxes(1, 2)]) * signs[second]
    half = SIDE // 2
    products = both.reshape(2, -1, half, 2, half, 2).sum(axis=(2, 4))
    similarity = np.stack([
        np.einsum("pij,ij->p", products[orientation >> 2], _signs(orientation))
        for orientation in range(ORIENTATIONS)
    ])  # fmt: skip
    distance = (BITS - similarity.max(axis=0)) // 2
    return Candidates(first, second, similarity.argmax(axis=0), distance)


def _signs(orientation: int) -> np.ndarray:
    """Returns the signs that mirroring gives classes, [row odd, column odd]."""
    row = [1, -1 if orientation & 2 else 1]
    column = [1, -1 if orientation & 1 else 1]
    return np.outer(row, column)
