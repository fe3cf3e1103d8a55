"""Tells copies from look-alikes where many images look alike.

Photographs of solar cells, pages of a form or frames of a fixed camera share
so much structure that any two of them agree as copies do. What they share says
nothing then. So for an image that agrees with many others the mean of these is
taken, and what that mean explains is taken out of both images of a pair, window
by window: their partial correlation, given the mean, has to be as high as that
of copies.

A picture with many copies is no crowd. Edits of one picture would share nothing
but what their mean explains, so images whose windows are nearly all surely the
same are not counted: 60 edits each of 20 photographs kept all pairs. For the
same reason look-alikes that differ faintly beside what they share, such as
forms filled in with a thin pen, are still taken for copies.

Of 2,624 photographs of solar cells (ELPV) and six copies each of 487,
`docs/exploring.md` says what is found.
"""

from __future__ import annotations

import numpy as np

from and_tf.exploring import hashes, matching
from and_tf.exploring.kept_copies import Copies

# Of the windows of two images that are the same by a bound of 0.9, less than
# this share is so by `_SURELY` if they only look alike. Of 60 edits each of 20
# photographs 99 in 100 pairs reach it, and most pairs of solar cells do not.
_SURE, _SURELY = 0.85, 0.97
FEWEST = 8  # Images that only look like one of a crowd,
_SHARE = 1 / 3  # and their least share of all that agree with it.
_MOST = 32  # Images in a mean.
_CONTRAST = 40.0  # The standard deviation of a mean's images, in levels.
_PIECE = 1024  # Pairs that are compared at a time.


class Crowds:
    """The images that look like many others.

    Args:
        small: [N, 32, 32], grey values 0..255.
        alike: The pairs of rows that agree as a whole.
    """

    def __init__(self, small: np.ndarray, alike: Copies) -> None:
        self._small = small
        pairs = np.array(list(alike), np.int64).reshape(-1, 2)
        copies = list(alike.values())
        turns = np.array([copy.orientation for copy in copies], np.int64)
        agreement = np.array([copy.agreement for copy in copies])
        rows = pairs.ravel()
        unsure = self._surely(pairs, turns) < _SURE * agreement
        counts = np.bincount(pairs[unsure].ravel(), minlength=len(small))
        every = np.bincount(rows, minlength=len(small))
        members = np.flatnonzero(
            (counts >= FEWEST) & (counts >= _SHARE * every)
        )
        self._place = np.full(len(small), -1)
        self._place[members] = np.arange(len(members))
        self._means = self._means_of(members, pairs[unsure], turns[unsure])

    def _surely(self, pairs: np.ndarray, turns: np.ndarray) -> np.ndarray:
        """Returns the share of windows that are surely the same, [p]."""
        result = np.zeros(len(pairs), np.float32)
        for orientation in range(hashes.ORIENTATIONS):
            chosen = np.flatnonzero(turns == orientation)
            for start in range(0, len(chosen), _PIECE):
                some = chosen[start : start + _PIECE]
                first, second = self._small[pairs[some].T]
                result[some] = matching.agreement(
                    hashes.turned(first, orientation).astype(np.float32),
                    second.astype(np.float32),
                    least=_SURELY,
                )
        return result

    def _means_of(
        self, members: np.ndarray, pairs: np.ndarray, turns: np.ndarray
    ) -> np.ndarray:
        """Returns the means of what looks like each member, [m, 32, 32]."""
        back = np.array([hashes.inverse(t) for t in range(hashes.ORIENTATIONS)])
        own = np.concatenate([pairs[:, 1], pairs[:, 0]])
        others = np.concatenate([pairs[:, 0], pairs[:, 1]])
        turns = np.concatenate([turns, back[turns]])
        order = np.argsort(own, kind="stable")
        starts, ends = (
            np.searchsorted(own[order], members, side)
            for side in ("left", "right")
        )
        side = matching.SIDE
        means = np.zeros((len(members), side, side), np.float16)
        for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
            chosen = np.linspace(start, end - 1, min(end - start, _MOST))
            those = order[chosen.astype(np.int64)]
            means[place] = self._mean(others[those], turns[those])
        return means

    def _mean(self, rows: np.ndarray, turns: np.ndarray) -> np.ndarray:
        """Returns the mean of turned images of equal contrast."""
        images = np.stack([
            hashes.turned(self._small[row], orientation)
            for row, orientation in zip(rows, turns.tolist(), strict=True)
        ]).astype(np.float32)  # fmt: skip
        images -= images.mean(axis=(1, 2), keepdims=True)
        deviation = images.std(axis=(1, 2), keepdims=True)
        return (images * (_CONTRAST / np.maximum(deviation, 1))).mean(axis=0)

    def __contains__(self, row: int) -> bool:
        return bool(self._place[row] >= 0)

    def agreement(
        self, first: np.ndarray, second: np.ndarray, orientation: int
    ) -> np.ndarray:
        """Returns how well pairs agree in what is not common to a crowd.

        Args:
            first: int64 [p], the rows of the first images.
            second: int64 [p], the rows of the second images.
            orientation: How the first images are turned.

        Returns:
            float32 [p], see `matching.agreement`; 1 for pairs in no crowd.
        """
        result = np.ones(len(first), np.float32)
        places = np.stack([self._place[second], self._place[first]])
        theirs = places[0] >= 0
        for chosen, place, turn in (
            (theirs, places[0], 0),
            (~theirs & (places[1] >= 0), places[1], orientation),
        ):
            if chosen.any():
                turned = hashes.turned(self._small[first[chosen]], orientation)
                mean = hashes.turned(self._means[place[chosen]], turn)
                result[chosen] = matching.agreement(
                    turned.astype(np.float32),
                    self._small[second[chosen]].astype(np.float32),
                    mean.astype(np.float32),
                )
        return result
