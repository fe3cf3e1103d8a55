"""Numbers the labels of all splits together, whatever they are stored as."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from and_tf.data.walking import composed, utf8
from and_tf.utils.errors import InputError

_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
_LARGEST = 2**62
_SHOWN = 60  # Characters of a label in a message.


def numbered(
    columns: Sequence[Iterable[Any] | None], name: str
) -> tuple[list[np.ndarray | None], tuple[str, ...] | None]:
    """Turns labels into numbers, the same for all splits.

    If all labels are whole numbers, be it as texts, they stay: other modules
    close the gaps. Otherwise they are names of classes, in sorted order.

    Args:
        columns: The labels of each split: whole numbers or texts. None, "" and
            negative numbers stand for no label. None in the place of a column
            is a split without any label.
        name: The name of the data set, for errors.

    Returns:
        For each split, int64 [N] with -1 for no label, or None if no image has
        one; and the names of the classes, or None if labels are numbers.

    Raises:
        InputError: If a label is neither a whole number nor a text.
    """
    plain: list[list[str | int | None] | None] = [
        None if column is None else [_plain(value, name) for value in column]
        for column in columns
    ]
    values = {v for column in plain for v in column or () if v is not None}
    texts = {value for value in values if isinstance(value, str)}
    if not all(map(_WHOLE.fullmatch, texts)):
        _check_no_fractions(values, name)
        names = sorted({str(value) for value in values})
        number_of: dict[Any, int] = {n: i for i, n in enumerate(names)}
        number_of |= {v: number_of[str(v)] for v in values}
        return [_array(c, number_of) for c in plain], tuple(map(utf8, names))
    whole = {value: int(str(value).partition(".")[0]) for value in values}
    number_of = {value: max(-1, int(n)) for value, n in whole.items()}
    return [_array(column, number_of) for column in plain], None


def _plain(value: Any, name: str) -> str | int | None:
    """Returns a label as a text or a whole number; None for no label."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return composed(value.strip()) or None
    if value is None:
        return None
    if isinstance(value, (bool, int, np.bool_, np.integer)):
        if abs(int(value)) < _LARGEST:
            return int(value)
    elif isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return None
        if float(value).is_integer() and abs(float(value)) < _LARGEST:
            return int(value)
    raise _refusal(value, name)


def _check_no_fractions(values: Iterable[str | int], name: str) -> None:
    """Checks that texts are not numbers with a fraction, which are no classes.

    Raises:
        InputError: If all labels are numbers, and some are not whole.
    """
    one: str | int = ""
    for value in values:
        try:
            if not float(value).is_integer():
                one = value
        except (ValueError, OverflowError):
            return
    raise _refusal(one, name)


def _array(
    column: Sequence[str | int | None] | None, number_of: dict[Any, int]
) -> np.ndarray | None:
    if column is None:
        return None
    labels = [-1 if v is None else number_of[v] for v in column]
    array = np.array(labels, np.int64)
    return array if (array >= 0).any() else None


def _refusal(value: object, name: str) -> InputError:
    shown = repr(value)[:_SHOWN]
    return InputError(
        "Expected labels as whole numbers or texts, one for each image of "
        f"{name}. Received: {shown} ({type(value).__name__}). Name another "
        "column or feature with --label_key, or make classes of it."
    )
