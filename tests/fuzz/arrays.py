"""Draws arrays of any kind and shape that an .npz file may hold."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import strategies as st

DTYPES = (
    "float32", "float64", "float16", "int32", "int64", "int8", "uint8",
    "uint64", "bool", "complex64", "U3", "S2", "U0", "datetime64[s]", "V3",
)  # fmt: skip
SHAPES = ((), (0,), (1,), (3,), (6,), (6, 0), (6, 2), (2, 6), (6, 2, 1), (0, 2))
FILLS = (0, 1, 5, 6, -1, 127, np.nan, np.inf)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """An array of equal values.

    Attributes:
        dtype: NumPy's name of its data type.
        shape: The shape of the array.
        fill: The value of all elements, converted to `dtype`.
    """

    dtype: str
    shape: tuple[int, ...]
    fill: float

    @property
    def array(self) -> np.ndarray:
        """The array itself."""
        if np.dtype(self.dtype).kind in "USVM":
            return np.zeros(self.shape, self.dtype)
        with np.errstate(all="ignore"):
            return np.full(self.shape, self.fill).astype(self.dtype)


ARRAYS = st.builds(
    Drawn,
    st.sampled_from(DTYPES),
    st.sampled_from(SHAPES),
    st.sampled_from(FILLS),
)
