"""Finds pairs of images that show the same picture, and verifies each.

Candidates come from perceptual hashes, in any of eight orientations, and from
the nearest neighbours of the embeddings. A candidate counts only if the windows
of both images agree (`matching`), as a whole or where one is a part of the
other. The numbers below were chosen on 500 photographs of Imagenette with ten
edits each among 2,500 others; `tests/exploring/duplicates_test.py` says what
they give on photographs that did not choose them.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple, TextIO

import numpy as np

from and_tf.exploring import hashes, matching
from and_tf.exploring.hashes import Candidates
from and_tf.exploring.measured import Measured
from and_tf.exploring.stages import Stages
from and_tf.training.teacher_files import digest
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
# An image that looks like so many earlier ones and is a copy of none, such as
# a form or a frame of a fixed camera, is left to its neighbours.
_MOST_IN_VAIN = 512
NEIGHBOURS = 8  # Nearest neighbours that may be crops, the slowest to compare.
# Of parts: as they are, and mirrored. Rotations would take more than twice as
# long, and of 300 such crops the neighbours name the original of 78 %.
_TURNED_PARTS = (0, 1)
_VERSION = 3  # To be raised when other pairs are found in the same images.
_PIECE = 1024  # Candidates that are verified at a time.
_KEPT = 2**16  # Pairs of which one may be a part that are kept together.
_PARTS = "copies_of_parts_"


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
    stages: Stages | None = None,
) -> Copies:
    """Finds the pairs of rows that are copies of each other.

    Args:
        measured: The images.
        rows: int64 [n], the rows to compare, sorted: one of each set of rows
            with equal pixels.
        nearest: integer [n, k], the nearest neighbours of each of them, as
            rows of `measured`.
        stream: Where the progress is shown; None is standard error.
        stages: What keeps the comparisons; None keeps nothing.

    Returns:
        The pairs and how they were found to be the same.
    """
    kept = _Kept(measured, stages or Stages())
    nearest = nearest[:, :NEIGHBOURS]
    small = _small(measured.grey)

    def compared() -> Copies:
        found = kept.get(
            "copies_by_hash",
            rows,
            compute=lambda: by_hash(measured, rows, stream, small),
        )
        near = [pair for pair in near_pairs(rows, nearest) if pair not in found]
        found |= _of_pairs(measured, small, near, stream, kept)
        return found | _of_pairs(measured, small, same_picture(found), stream)

    copies = kept.get("copies", rows, nearest, compute=compared)
    kept.stages.forget(f"{_PARTS}*")
    return copies


class _Kept:
    """Copies that need not be looked for again, see `Stages`.

    Args:
        measured: The images that are compared.
        stages: What keeps them.
    """

    def __init__(self, measured: Measured, stages: Stages) -> None:
        self.stages = stages
        self._images = digest(measured.grey, measured.aspect)

    def get(
        self, name: str, *inputs: np.ndarray, compute: Callable[[], Copies]
    ) -> Copies:
        """Returns the copies of a stage; computes them only if need be."""
        forms = ("i", 2), ("f", 1), ("i", 1), ("b", 1)
        arrays = self.stages.get(
            name,
            (_VERSION, self._images, *inputs),
            forms,
            lambda: _to_arrays(compute()),
        )
        pairs, *columns = (array.tolist() for array in arrays)
        copies = map(Copy, *columns)
        return dict(zip(map(tuple, pairs), copies, strict=True))


def of_pairs(measured: Measured, pairs: list[tuple[int, int]]) -> Copies:
    """Returns the pairs that agree upright, or as parts of each other."""
    return _of_pairs(measured, _small(measured.grey), pairs)


def _of_pairs(
    measured: Measured,
    small: np.ndarray,
    pairs: list[tuple[int, int]],
    stream: TextIO | None = None,
    kept: _Kept | None = None,
) -> Copies:
    found = _upright(small, pairs)
    rest = [pair for pair in pairs if pair not in found]
    return found | _parts(measured, rest, stream, kept)


def _to_arrays(copies: Copies) -> tuple[np.ndarray, ...]:
    """Returns the pairs, agreements, orientations and which are parts."""
    values = list(copies.values())
    return (
        np.array(list(copies), np.int64).reshape(-1, 2),
        np.array([copy.agreement for copy in values], np.float64),
        np.array([copy.orientation for copy in values], np.int64),
        np.array([copy.is_part for copy in values], bool),
    )


def compare(measured: Measured, first: int, second: int) -> Copy | None:
    """Returns how the first of two images becomes the second, or None."""
    both = measured.grey[[first, second]]
    small, signs = matching.small(both), hashes.hashes(both)
    found = hashes.best_turned(signs, np.array([0]), np.array([1]))
    copies = _verified(small, found)
    if (0, 1) in copies:
        return copies[0, 1]
    pair = (min(first, second), max(first, second))
    return _parts_of_piece(measured, np.array([pair])).get(pair)


def _parts(
    measured: Measured,
    pairs: list[tuple[int, int]],
    stream: TextIO | None,
    kept: _Kept | None = None,
) -> Copies:
    """Returns the pairs of which one image is a part of the other.

    This takes longest of all comparisons, so that its results are kept every
    few minutes.
    """
    # Pairs of about the same shapes are compared together.
    both = np.array(pairs, np.int64).reshape(-1, 2)
    ratios = measured.aspect[both[:, 0]] / measured.aspect[both[:, 1]]
    both = both[np.argsort(ratios, kind="stable")]
    copies: Copies = {}
    with (
        Counted("compare parts", len(both), stream=stream) as progress,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for start in range(0, len(both), _KEPT):
            some = both[start : start + _KEPT]

            def compare(some: np.ndarray = some) -> Copies:
                return _parts_of(measured, some, pool, progress)

            name = f"{_PARTS}{start // _KEPT:04}"
            copies |= (
                kept.get(name, some, compute=compare) if kept else compare()
            )
            progress.advance(start + len(some) - progress.done)
    return copies


def _parts_of(
    measured: Measured,
    pairs: np.ndarray,
    pool: concurrent.futures.Executor,
    progress: Counted,
) -> Copies:
    """Compares pairs, int64 [p, 2], in threads."""
    pieces = [pairs[i : i + _PIECE] for i in range(0, len(pairs), _PIECE)]
    compare = functools.partial(_parts_of_piece, measured)
    copies: Copies = {}
    for piece, found in zip(pieces, pool.map(compare, pieces), strict=True):
        copies |= found
        progress.advance(len(piece))
    return copies


def _parts_of_piece(measured: Measured, piece: np.ndarray) -> Copies:
    copies: Copies = {}
    for whole, part in (piece.T, piece.T[::-1]):
        ratios = measured.aspect[whole] / measured.aspect[part]
        for orientation in _TURNED_PARTS:
            turned = hashes.turned(measured.grey[part], orientation)
            crops = matching.find_crops(measured.grey[whole], turned, ratios)
            for pair, crop in zip(
                map(tuple, piece.tolist()), crops, strict=True
            ):
                found = crop.agreement if crop else 0.0
                known = copies[pair].agreement if pair in copies else 0.0
                if found >= max(_SAME_PART, known):
                    copies[pair] = Copy(found, orientation, True)
    return copies


def _small(grey: np.ndarray) -> np.ndarray:
    """Halves grey thumbnails, float16 [N, 32, 32], which holds them exactly."""
    small = np.empty((len(grey), matching.SIDE, matching.SIDE), np.float16)
    for start in range(0, len(grey), _PIECE):
        part = slice(start, start + _PIECE)
        small[part] = matching.small(grey[part])
    return small


def by_hash(
    measured: Measured,
    rows: np.ndarray,
    stream: TextIO | None = None,
    small: np.ndarray | None = None,
) -> Copies:
    """Finds copies by hashes, among the images with any details.

    Those without are left out, as they may look like each other by the
    thousand: white pages, night, fog. What is paired, or compared in vain,
    often enough is compared with no further images, so that the work does not
    grow with the square of a number of images that are all alike.

    Args:
        measured: The images.
        rows: int64 [n], the rows to compare, sorted.
        stream: Where the progress is shown; None is standard error.
        small: `_small(measured.grey)`, if it is computed already.
    """
    small = _small(measured.grey) if small is None else small
    rows = rows[matching.has_details(small)[rows]]
    signs = hashes.hashes(measured.grey)[rows]
    wanted = np.ones(len(rows), bool)
    # The comparisons of each image with earlier ones.
    paired, in_vain = np.zeros((2, len(measured)), np.int64)
    copies: Copies = {}
    with Counted("compare hashes", len(rows), stream=stream) as progress:
        for found in hashes.similar(
            signs, _MOST_BITS, wanted, progress.advance
        ):
            first, second = rows[found.first], rows[found.second]
            these = found._replace(first=first, second=second)
            np.add.at(in_vain, second, 1)
            for pair, copy in _verified(small, these).items():
                in_vain[pair[1]] -= 1
                if paired[pair[1]] < MOST_PAIRS:
                    paired[pair[1]] += 1
                    copies[pair] = copy
            wanted[found.second] = (paired[second] < MOST_PAIRS) & (
                in_vain[second] < _MOST_IN_VAIN
            )
    return copies


def _verified(small: np.ndarray, found: Candidates) -> Copies:
    """Returns the candidates whose windows agree.

    Args:
        small: [n, 32, 32].
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
        turned = hashes.turned(small[first], orientation)
        agreement = matching.agreement(
            turned.astype(np.float32), small[second].astype(np.float32)
        )
        for pair, found in zip(piece, agreement.tolist(), strict=True):
            if found >= _SAME:
                copies[pair] = Copy(found, orientation)
    return copies


def near_pairs(rows: np.ndarray, nearest: np.ndarray) -> list[tuple[int, int]]:
    """Returns the pairs of rows with their neighbours, each pair once."""
    known = set(rows.tolist())
    pairs = {
        (min(row, other), max(row, other))
        for row, others in zip(rows.tolist(), nearest.tolist(), strict=True)
        for other in others
        if other in known and other != row
    }
    return sorted(pairs)


def same_picture(copies: Copies) -> list[tuple[int, int]]:
    """Returns pairs of parts and the upright copies of what they are part of.

    The neighbours of a crop may name one copy of its picture and leave out
    another, and a group needs an image that is paired with all others. The
    first copies are enough for that, see `MOST_PAIRS`.

    Args:
        copies: The pairs that are known; none of them is returned.
    """
    upright = defaultdict(set)
    for (first, second), copy in copies.items():
        if not copy.is_part and not copy.orientation:
            upright[first].add(second)
            upright[second].add(first)
    some = {row: sorted(others)[:MOST_PAIRS] for row, others in upright.items()}
    wanted = set()
    for (first, second), copy in copies.items():
        if copy.is_part:
            for one, other in ((first, second), (second, first)):
                wanted |= {
                    (min(one, more), max(one, more))
                    for more in some.get(other, ())
                    if more != one
                }
    return sorted(wanted - set(copies))
