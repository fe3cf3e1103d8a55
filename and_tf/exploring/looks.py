"""Holds what images are compared by, each part of which is made once."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from and_tf.exploring import hashes, matching
from and_tf.exploring.measured import Measured

_PIECE = 1024  # Images that are halved at a time.


@dataclasses.dataclass(frozen=True, eq=False)
class Looks:
    """Holds what N images are compared by.

    Attributes:
        grey: uint8 [N, 64, 64], see `measures.grey`.
        aspect: float32 [N], the width over the height.
        hashed: int8 [N, 16, 16], their `hashes.hashes` if these are known.
    """

    grey: np.ndarray
    aspect: np.ndarray
    hashed: np.ndarray | None = None

    @classmethod
    def of(cls, measured: Measured) -> Looks:
        """Returns what measured images are compared by."""
        return cls(measured.grey, measured.aspect)

    def __len__(self) -> int:
        return len(self.grey)

    @functools.cached_property
    def small(self) -> np.ndarray:
        """Returns the halved images, float16 [N, 32, 32], without rounding."""
        small = np.empty((len(self), matching.SIDE, matching.SIDE), np.float16)
        for start in range(0, len(self), _PIECE):
            part = slice(start, start + _PIECE)
            small[part] = matching.small(self.grey[part])
        return small

    @functools.cached_property
    def signs(self) -> np.ndarray:
        """Returns the hashes of the images, int8 [N, 16, 16]."""
        known = self.hashed
        return hashes.hashes(self.grey) if known is None else known
