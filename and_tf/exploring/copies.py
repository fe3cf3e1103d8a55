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
from typing import TextIO

import numpy as np

from and_tf.exploring import hashes, matching, parts
from and_tf.exploring.crowds import Crowds
from and_tf.exploring.hashes import Candidates
from and_tf.exploring.kept_copies import Copies, Copy, KeptCopies
from and_tf.exploring.looks import Looks
from and_tf.exploring.measured import Measured
from and_tf.exploring.stages import Stages
from and_tf.utils.progress import Counted

# Of 255 bits. Of the edits but crops, 99 in 100 differ in fewer.
_MOST_BITS = 72
# The least agreement of copies. Pairs of other photographs reached 0.57 as a
# whole, and pages of text with equal margins 0.61.
_SAME = 0.65
# A picture that is there more often is paired with its first copies alone, so
# that N copies do not take N² pairs. The first one is paired with all.
MOST_PAIRS = 32
# An image that looks like so many earlier ones and is a copy of none, such as
# a form or a frame of a fixed camera, is left to its neighbours.
_MOST_IN_VAIN = 512
NEIGHBOURS = 8  # Nearest neighbours that may be crops, the slowest to compare.
_PIECE = 1024  # Candidates that are verified at a time.


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
    looks = Looks.of(measured)
    kept = KeptCopies(looks, stages or Stages())
    nearest = nearest[:, :NEIGHBOURS]

    def compared() -> Copies:
        alike = kept.get(
            "look_alikes",
            rows,
            compute=lambda: _look_alikes(looks, rows, stream),
        )
        crowds = Crowds(looks.small, alike)
        found = kept.get(
            "copies_by_hash",
            rows,
            compute=lambda: _own(looks, rows, alike, crowds, stream),
        )
        near = [pair for pair in near_pairs(rows, nearest) if pair not in found]
        found |= _of_pairs(looks, near, crowds, stream, kept)
        return found | _of_pairs(looks, same_picture(found), crowds, stream)

    copies = kept.get("copies", rows, nearest, compute=compared)
    kept.stages.forget(f"{parts.STAGES}*")
    return copies


def of_pairs(looks: Looks, pairs: list[tuple[int, int]]) -> Copies:
    """Returns the pairs that agree upright, or as parts of each other.

    Crowds are not known here, see `crowds`.
    """
    return _of_pairs(looks, pairs, Crowds(looks.small, {}))


def _of_pairs(
    looks: Looks,
    pairs: list[tuple[int, int]],
    crowds: Crowds,
    stream: TextIO | None = None,
    kept: KeptCopies | None = None,
) -> Copies:
    found = _upright(looks.small, pairs, crowds=crowds)
    # Most of any image of a crowd looks like a part of any other one.
    rest = [
        pair
        for pair in pairs
        if pair not in found and not (pair[0] in crowds and pair[1] in crowds)
    ]
    return found | parts.find(looks, rest, stream, kept)


def compare(measured: Measured, first: int, second: int) -> Copy | None:
    """Returns how the first of two images becomes the second, or None."""
    both = measured.grey[[first, second]]
    small, signs = matching.small(both), hashes.hashes(both)
    found = hashes.best_turned(signs, np.array([0]), np.array([1]))
    copies = _verified(small, found)
    if (0, 1) in copies:
        return copies[0, 1]
    pair = (min(first, second), max(first, second))
    looks = Looks.of(measured)
    return parts.of_piece(looks, np.array([pair])).get(pair)


def in_tile(
    looks: Looks,
    rows: np.ndarray,
    pairs: list[tuple[int, int]],
    stream: TextIO | None = None,
) -> tuple[Copies, Copies]:
    """Finds copies by hashes, and among given pairs, see `of_pairs`.

    Images without any details have no hash here, as they may look like each
    other by the thousand: white pages, night, fog. What is paired, or compared
    in vain, often enough is compared with no further images, so that the work
    does not grow with the square of a number of images that are all alike.

    Args:
        looks: The images. Crowds are those among them.
        rows: int64 [n], the rows to compare by hashes, sorted.
        pairs: The pairs to compare whatever their hashes are.
        stream: Where the progress is shown; None is standard error.

    Returns:
        The copies by hashes, and those of the given pairs.
    """
    alike = _look_alikes(looks, rows, stream)
    crowds = Crowds(looks.small, alike)
    found = _own(looks, rows, alike, crowds, stream)
    return found, _of_pairs(looks, pairs, crowds, stream)


def _own(
    looks: Looks,
    rows: np.ndarray,
    alike: Copies,
    crowds: Crowds,
    stream: TextIO | None,
) -> Copies:
    """Returns the copies among look-alikes; see `crowds`."""
    doubtful = [p for p in alike if p[0] in crowds or p[1] in crowds]
    copies = alike.copy()
    for pair in doubtful:
        del copies[pair]
    if not doubtful:
        return copies
    # What looks like the other one upright may be a mirrored copy of it.
    for start in range(0, len(doubtful), _PIECE):
        first, second = np.array(doubtful[start : start + _PIECE]).T
        found = hashes.best_turned(looks.signs, first, second)
        copies |= _verified(looks.small, found, crowds)
    # Images that have enough pairs with look-alikes may lack those with copies.
    counts = np.bincount([pair[1] for pair in alike], minlength=len(looks))
    lost = [
        second for first, second in doubtful if (first, second) not in copies
    ]
    full = np.zeros(len(looks), bool)
    full[lost] = counts[lost] >= MOST_PAIRS
    if full.any():
        copies |= _look_alikes(looks, rows, stream, full, crowds)
    return copies


def _look_alikes(
    looks: Looks,
    rows: np.ndarray,
    stream: TextIO | None,
    chosen: np.ndarray | None = None,
    crowds: Crowds | None = None,
) -> Copies:
    """Returns the pairs that agree as a whole.

    Args:
        looks: The images.
        rows: int64 [n], the rows to compare, sorted.
        stream: Where the progress is shown.
        chosen: bool [N], the rows to compare with earlier ones; None is all.
        crowds: What is no sign of a copy.
    """
    rows = rows[matching.has_details(looks.small)[rows]]
    signs = looks.signs[rows]
    wanted = np.ones(len(rows), bool) if chosen is None else chosen[rows]
    # The comparisons of each image with earlier ones.
    paired, in_vain = np.zeros((2, len(looks)), np.int64)
    copies: Copies = {}
    with Counted("compare hashes", len(rows), stream=stream) as progress:
        for found in hashes.similar(
            signs, _MOST_BITS, wanted, progress.advance
        ):
            first, second = rows[found.first], rows[found.second]
            these = found._replace(first=first, second=second)
            np.add.at(in_vain, second, 1)
            for pair, copy in _verified(looks.small, these, crowds).items():
                in_vain[pair[1]] -= 1
                if paired[pair[1]] < MOST_PAIRS:
                    paired[pair[1]] += 1
                    copies[pair] = copy
            wanted[found.second] = (paired[second] < MOST_PAIRS) & (
                in_vain[second] < _MOST_IN_VAIN
            )
    return copies


def _verified(
    small: np.ndarray, found: Candidates, crowds: Crowds | None = None
) -> Copies:
    """Returns the candidates whose windows agree.

    Args:
        small: [n, 32, 32].
        found: Pairs of these n, and their best orientations.
        crowds: What is no sign of a copy.
    """
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    # A symmetrical picture is first taken for an upright one.
    copies = _upright(small, pairs, crowds=crowds)
    for orientation in range(1, hashes.ORIENTATIONS):
        chosen = [
            pair
            for pair, best in zip(pairs, found.orientation, strict=True)
            if best == orientation and pair not in copies
        ]
        copies |= _upright(small, chosen, orientation, crowds)
    return copies


def _upright(
    small: np.ndarray,
    pairs: list[tuple[int, int]],
    orientation: int = 0,
    crowds: Crowds | None = None,
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
        if crowds is not None:
            same = np.flatnonzero(agreement >= _SAME)
            agreement[same] = np.minimum(
                agreement[same],
                crowds.agreement(first[same], second[same], orientation),
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
