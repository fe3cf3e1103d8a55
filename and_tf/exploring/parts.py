"""Finds images that are parts of others: pairs with a crop of a picture."""

from __future__ import annotations

import concurrent.futures
import functools
import os
from typing import TextIO

import numpy as np

from and_tf.exploring import crops, hashes
from and_tf.exploring.kept_copies import Copies, Copy, KeptCopies
from and_tf.exploring.looks import Looks
from and_tf.utils.progress import Counted

_SAME_PART = 0.7  # The least agreement of a part.
# Parts as they are, and mirrored. Rotations would take more than twice as
# long, and of 300 such crops the neighbours name the original of 78 %.
_TURNED_PARTS = (0, 1)
_PIECE = 1024  # Pairs that are compared at a time.
_KEPT = 2**16  # Pairs that are kept together.
STAGES = "copies_of_parts_"  # The beginning of the names of stages.


def find(
    looks: Looks,
    pairs: list[tuple[int, int]],
    stream: TextIO | None,
    kept: KeptCopies | None = None,
) -> Copies:
    """Returns the pairs of which one image is a part of the other.

    This takes longest of all comparisons, so that its results are kept every
    few minutes.
    """
    # Pairs of about the same shapes are compared together.
    both = np.array(pairs, np.int64).reshape(-1, 2)
    ratios = looks.aspect[both[:, 0]] / looks.aspect[both[:, 1]]
    both = both[np.argsort(ratios, kind="stable")]
    copies: Copies = {}
    with (
        Counted("compare parts", len(both), stream=stream) as progress,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for start in range(0, len(both), _KEPT):
            some = both[start : start + _KEPT]

            def compare(some: np.ndarray = some) -> Copies:
                return _of_pairs(looks, some, pool, progress)

            name = f"{STAGES}{start // _KEPT:04}"
            copies |= (
                kept.get(name, some, compute=compare) if kept else compare()
            )
            progress.advance(start + len(some) - progress.done)
    return copies


def _of_pairs(
    looks: Looks,
    pairs: np.ndarray,
    pool: concurrent.futures.Executor,
    progress: Counted,
) -> Copies:
    """Compares pairs, int64 [p, 2], in threads."""
    pieces = [pairs[i : i + _PIECE] for i in range(0, len(pairs), _PIECE)]
    compare = functools.partial(of_piece, looks)
    copies: Copies = {}
    for piece, found in zip(pieces, pool.map(compare, pieces), strict=True):
        copies |= found
        progress.advance(len(piece))
    return copies


def of_piece(looks: Looks, piece: np.ndarray) -> Copies:
    """Returns the pairs of which one is a part of the other, of [p, 2]."""
    copies: Copies = {}
    for whole, part in (piece.T, piece.T[::-1]):
        ratios = looks.aspect[whole] / looks.aspect[part]
        for orientation in _TURNED_PARTS:
            turned = hashes.turned(looks.grey[part], orientation)
            found = crops.find_crops(looks.grey[whole], turned, ratios)
            for pair, crop in zip(
                map(tuple, piece.tolist()), found, strict=True
            ):
                agreement = crop.agreement if crop else 0.0
                known = copies[pair].agreement if pair in copies else 0.0
                if agreement >= max(_SAME_PART, known):
                    copies[pair] = Copy(agreement, orientation, True)
    return copies
