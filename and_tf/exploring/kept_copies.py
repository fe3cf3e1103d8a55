"""Pairs of images that show the same picture, and what keeps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from and_tf.exploring.looks import Looks
from and_tf.exploring.stages import Stages
from and_tf.training.teacher_files import digest

_VERSION = 4  # To be raised when other pairs are found in the same images.


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


class KeptCopies:
    """Copies that need not be looked for again, see `Stages`.

    Args:
        looks: The images that are compared.
        stages: What keeps them.
    """

    def __init__(self, looks: Looks, stages: Stages) -> None:
        self.stages = stages
        self._images = digest(looks.grey, looks.aspect)

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


def _to_arrays(copies: Copies) -> tuple[np.ndarray, ...]:
    """Returns the pairs, agreements, orientations and which are parts."""
    values = list(copies.values())
    return (
        np.array(list(copies), np.int64).reshape(-1, 2),
        np.array([copy.agreement for copy in values], np.float64),
        np.array([copy.orientation for copy in values], np.int64),
        np.array([copy.is_part for copy in values], bool),
    )
