"""Tells copies from look-alikes where many images look alike.

Photographs of solar cells, pages of a form or frames of a fixed camera share
so much structure that any two of them agree as copies do. What they share says
nothing then. So for an image that agrees with many others the mean of these is
taken, and what that mean explains is taken out of both images of a pair, window
by window: their partial correlation, given the mean, has to be as high as that
of copies. Where nothing but noise is left of either image, they are the same,
so that a picture with a thousand copies keeps all of them.

Of 2,624 photographs of solar cells (ELPV) and six copies each of 492, 105,517
pairs agreed as a whole, 10,216 of them with the same original. Given the means,
12,673 are left: again these 10,216, and 2,457 others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from and_tf.exploring import hashes, matching

FEWEST = 16  # Images that look like one of a crowd. Few pictures have so many.
_MOST = 32  # Images in a mean.
_CONTRAST = 40.0  # The standard deviation of a mean's images, in levels.


class Crowds:
    """The images that look like many others.

    Args:
        small: [N, 32, 32], grey values 0..255.
        alike: The orientation that makes the first image of a pair of rows
            look like the second, for all pairs that agree.
    """

    def __init__(
        self, small: np.ndarray, alike: Mapping[tuple[int, int], int]
    ) -> None:
        self._small = small
        others: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for (first, second), orientation in alike.items():
            others[second].append((first, orientation))
            others[first].append((second, hashes.inverse(orientation)))
        members = {r: o for r, o in others.items() if len(o) >= FEWEST}
        self._place = np.full(len(small), -1)
        self._place[[*members]] = np.arange(len(members))
        side = matching.SIDE
        self._means = np.zeros((len(members), side, side), np.float16)
        for place, those in enumerate(members.values()):
            self._means[place] = self._mean(those)

    def _mean(self, those: list[tuple[int, int]]) -> np.ndarray:
        """Returns the mean of some turned images of equal contrast."""
        chosen = np.linspace(0, len(those) - 1, min(len(those), _MOST))
        images = np.stack([
            hashes.turned(self._small[row], orientation)
            for row, orientation in (those[n] for n in chosen.astype(int))
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
                images = (
                    hashes.turned(self._small[first[chosen]], orientation),
                    self._small[second[chosen]],
                    hashes.turned(self._means[place[chosen]], turn),
                )
                result[chosen] = matching.agreement(
                    *(each.astype(np.float32) for each in images)
                )
        return result
