"""Class labels from whatever a user of Python has them in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from and_tf.errors import InputError


def as_labels(labels: ArrayLike) -> np.ndarray:
    """Converts labels to whole numbers, one for each sample.

    Args:
        labels: A list, an array or an eager tensor [N] of whole numbers,
            −1 where a label is unknown, or of strings. Strings are numbered
            in alphabetical order.

    Returns:
        int64 [N].

    Raises:
        InputError: If there is not one whole number or string a sample.
    """
    try:
        array = np.asarray(labels)
    except (ValueError, TypeError) as error:
        raise _refusal(f"{type(labels).__name__}, {error}") from error
    if array.ndim != 1:
        raise _refusal(f"{array.dtype} {list(array.shape)}")
    if array.dtype.kind in "iub":
        return array.astype(np.int64)
    if _are_strings(array):
        return np.unique(array.astype(str), return_inverse=True)[1]
    raise _refusal(f"{array.dtype} {list(array.shape)}")


def check_count(labels: np.ndarray, num_examples: int) -> None:
    """Checks that there is a label for each sample.

    Args:
        labels: int64 [N], see `as_labels`.
        num_examples: N of the model.

    Raises:
        InputError: If there are more labels or fewer.
    """
    if len(labels) != num_examples:
        raise InputError(
            f"Expected labels of all {num_examples} training images, in the "
            f"order of their sample numbers. Received: {len(labels)} labels."
        )


def _are_strings(array: np.ndarray) -> bool:
    """Returns whether all elements are text, Python objects included."""
    if array.dtype.kind == "O":
        return all(isinstance(label, str) for label in array)
    return array.dtype.kind == "U"


def _refusal(received: str) -> InputError:
    return InputError(
        "Expected labels as whole numbers or strings, one for each training "
        f"image [N], −1 where unknown. Received: {received}."
    )
