"""Summaries of a query's neighbours, in place of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf


class Summary(Protocol):
    """A function of neighbours, for the host and for an accelerator.

    With many neighbours a query, moving them to the host costs more than the
    search. An accelerator therefore summarises them where they were found.

    Attributes:
        bytes_each: What the device holds for a query meanwhile.
    """

    bytes_each: int

    def of_arrays(
        self, similarity: np.ndarray, index: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Summarises float32 [q, k] and int32 [q, k] of some queries.

        Most similar come first.

        Returns:
            Arrays [q, …].
        """

    def tensors(self) -> tuple[tf.Tensor, ...]:
        """Makes the tensors that `on_device` takes, on the current device."""

    def on_device(self) -> Callable[..., Sequence[tf.Tensor]]:
        """Returns what does the same within a compiled function.

        It takes `similarity`, `index` and each of `tensors()`, and returns
        tensors [q, …] of the dtypes of the arrays, 4 or 8 bytes a number.
        It is hashable, and equal to another that does the same: one function
        is compiled for all of them.
        """
