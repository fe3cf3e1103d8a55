"""Defines summaries of a query's neighbours, returned instead of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf


class Summary(Protocol):
    """A function of neighbours, for the host and for an accelerator.

    With many neighbours per query, copying them to the host costs more than
    the search. An accelerator therefore summarises them itself.

    Attributes:
        bytes_each: The bytes per query that the device needs for the summary.
    """

    bytes_each: int

    def of_arrays(
        self, similarity: np.ndarray, index: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Summarises the neighbours of some queries on the host.

        Args:
            similarity: float32 [q, k], the highest first.
            index: int32 [q, k], the neighbours' rows.

        Returns:
            Arrays [q, …].
        """

    def tensors(self) -> tuple[tf.Tensor, ...]:
        """Makes further arguments of `on_device`, on the current device."""

    def on_device(self) -> Callable[..., Sequence[tf.Tensor]]:
        """Returns a function that does the same in a compiled function.

        It takes `similarity`, `index` and each of `tensors()`, and returns
        tensors [q, …] of the same dtypes as the arrays, with 4 or 8 bytes per
        number. It must be hashable, and equal to any other that does the same,
        so that all of them share one compiled function.
        """
