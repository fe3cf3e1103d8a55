"""Finds pairs of images that show the same picture, and verifies each.

Candidates come from perceptual hashes, in any of eight orientations, and from
the nearest neighbours of the embeddings. A candidate counts only if the windows
of both images agree (`matching`), as a whole or where one is a part of the
other. The numbers below were chosen on 500 photographs of Imagenette with ten
edits each among 2,500 others; `tests/exploring/duplicates_test.py` says what
they give on photographs that did not choose them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, TextIO

import numpy as np

from and_tf.exploring import hashes, matching
from and_tf.exploring.hashes import Candidates
from and_tf.exploring.measured import Measured
from and_tf.utils.progress import Counted

# Of 255 bits. Of the edits but crops, 99 in 100 differ in fewer.
_MOST_BITS = 72
# The least agreement of copies. Pairs of other photographs reached 0.57 as a
# whole, and pages of text with equal margins 0.61.
_SAME = 0.65
_SAME_PART = 0.7
# A picture that is there more often is paired with its first copies alone, so
# that N copies do not take N² pairs. The first one is paired with all.
MOST_PAIRS = 32
NEIGHBOURS = 8  # Nearest neighbours that may be crops, the slowest to compare.
_PIECE = 1024  # Candidates that are verified at a time.


class Copy(NamedTuple):
    """The way in which two images show the same picture.

    Attributes:
        agreement: 0..1, see `matching.agreement`.
        orientation: How the first image has to be turned to look like the
            second; see `hashes.turned`.
        is_part: Whether one of them shows a part of the other.
    """

    agreement: float
    orientation: int = 0
    is_part: bool = False


Copies = dict[tuple[int, int], Copy]  # By two rows, the lower one first.


def find(
    measured: Measured,
    rows: np.ndarray,
    nearest: np.ndarray,
    stream: TextIO | None = None,
) -> Copies:
    """Finds the pairs of rows that are copies of each other.

    Args:
        measured: The images.
        rows: int64 [n], the rows to compare, sorted: one of each set of rows
            with equal pixels.
        nearest: integer [n, k], the nearest neighbours of each of them, as
            rows of `measured`.
        stream: Where the progress is shown; None is standard error.

    Returns:
        The pairs and how they were found to be the same.
    """
    small = matching.small(measured.grey)
    copies = by_hash(measured, rows)
    near = near_pairs(rows, nearest)
    near = [pair for pair in near if pair not in copies]
    copies |= _upright(small, near)
    parts = [pair for pair in near if pair not in copies]
    with Counted("compare", len(parts), stream=stream) as progress:
        for start in range(0, len(parts), _PIECE):
            piece = parts[start : start + _PIECE]
            copies |= _parts(measured, piece)
            progress.advance(len(piece))
    return copies | of_pairs(measured, same_picture(copies))


def of_pairs(measured: Measured, pairs: list[tuple[int, int]]) -> Copies:
    """Returns the pairs that agree upright, or as parts of each other."""
    found = _upright(matching.small(measured.grey), pairs)
    return found | _parts(measured, [p for p in pairs if p not in found])


def compare(measured: Measured, first: int, second: int) -> Copy | None:
    """Returns how the first of two images becomes the second, or None."""
    both = measured.grey[[first, second]]
    small, signs = matching.small(both), hashes.hashes(both)
    for found in hashes.similar(signs, hashes.BITS):
        copies = _verified(small, found)
        if (0, 1) in copies:
            return copies[0, 1]
    pair = (min(first, second), max(first, second))
    return _parts(measured, [pair]).get(pair)


def _parts(measured: Measured, pairs: list[tuple[int, int]]) -> Copies:
    """Returns the pairs of which one image is a part of the other."""
    copies: Copies = {}
    for start in range(0, len(pairs), _PIECE):
        piece = np.array(pairs[start : start + _PIECE])
        for whole, part in (piece.T, piece.T[::-1]):
            ratios = measured.aspect[whole] / measured.aspect[part]
            crops = matching.find_crops(
                measured.grey[whole], measured.grey[part], ratios
            )
            for pair, crop in zip(
                map(tuple, piece.tolist()), crops, strict=True
            ):
                found = crop.agreement if crop else 0.0
                known = copies[pair].agreement if pair in copies else 0.0
                if found >= max(_SAME_PART, known):
                    copies[pair] = Copy(found, is_part=True)
    return copies


def by_hash(measured: Measured, rows: np.ndarray) -> Copies:
    """Finds copies by hashes, among the images with any details.

    Those without are left out, as they may look like each other by the
    thousand: white pages, night, fog. Of each row, the pairs with its first
    `MOST_PAIRS` copies in earlier rows are kept.

    Args:
        measured: The images.
        rows: int64 [n], the rows to compare, sorted.
    """
    small = matching.small(measured.grey)
    rows = rows[matching.has_details(small[rows])]
    signs = hashes.hashes(measured.grey[rows])
    earlier = np.zeros(len(rows), np.int64)  # Copies in earlier rows.
    copies: Copies = {}
    for found in hashes.similar(signs, _MOST_BITS):
        for piece in _pieces(found):
            wanted = earlier[piece.second] < MOST_PAIRS
            piece = Candidates(*(each[wanted] for each in piece))
            for pair, copy in sorted(_verified(small[rows], piece).items()):
                if earlier[pair[1]] < MOST_PAIRS:
                    earlier[pair[1]] += 1
                    first, second = rows[list(pair)].tolist()
                    copies[first, second] = copy
    return copies


def _pieces(found: Candidates) -> Iterator[Candidates]:
    """Yields candidates in pieces, in the order of their first rows."""
    order = np.lexsort([found.second, found.first])
    for start in range(0, len(order), _PIECE):
        piece = order[start : start + _PIECE]
        yield Candidates(*(each[piece] for each in found))


def _verified(small: np.ndarray, found: Candidates) -> Copies:
    """Returns the candidates whose windows agree.

    Args:
        small: float32 [n, 32, 32].
        found: Pairs of these n, and their best orientations.
    """
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    # A symmetrical picture is first taken for an upright one.
    copies = _upright(small, pairs)
    for orientation in range(1, hashes.ORIENTATIONS):
        chosen = [
            pair
            for pair, best in zip(pairs, found.orientation, strict=True)
            if best == orientation and pair not in copies
        ]
        copies |= _upright(small, chosen, orientation)
    return copies


def _upright(
    small: np.ndarray, pairs: list[tuple[int, int]], orientation: int = 0
) -> Copies:
    """Returns the pairs that agree if the first image is turned so."""
    copies: Copies = {}
    for start in range(0, len(pairs), _PIECE):
        piece = pairs[start : start + _PIECE]
        first, second = (np.array(rows) for rows in zip(*piece, strict=True))
        agreement = matching.agreement(
            hashes.turned(small[first], orientation), small[second]
        )
        for pair, found in zip(piece, agreement.tolist(), strict=True):
            if found >= _SAME:
                copies[pair] = Copy(found, orientation)
    return copies


def near_pairs(rows: np.ndarray, nearest: np.ndarray) -> list[tuple[int, int]]:
    """Returns the pairs of rows with their first neighbours, each pair once.

    Args:
        rows: int64 [n], the rows to compare.
        nearest: integer [n, k], see `find`.
    """
    nearest = nearest[:, :NEIGHBOURS]
    known = set(rows.tolist())
    pairs = {
        (min(row, other), max(row, other))
        for row, others in zip(rows.tolist(), nearest.tolist(), strict=True)
        for other in others
        if other in known and other != row
    }
    return sorted(pairs)


def same_picture(copies: Copies) -> list[tuple[int, int]]:
    """Returns pairs of parts and all upright copies of what they are a part of.

    The neighbours of a crop may name one copy of its picture and leave out
    another, and a group needs an image that is paired with all others.

    Args:
        copies: The pairs that are known; none of them is returned.
    """
    upright = defaultdict(set)
    for (first, second), copy in copies.items():
        if not copy.is_part and not copy.orientation:
            upright[first].add(second)
            upright[second].add(first)
    wanted = set()
    for (first, second), copy in copies.items():
        if copy.is_part:
            for one, other in ((first, second), (second, first)):
                wanted |= {
                    (min(one, more), max(one, more)) for more in upright[other]
                }
    return sorted(wanted - set(copies))
