"""Turns TensorFlow's long errors of damaged data into one sentence."""

from __future__ import annotations

import re
import textwrap

_KINDS = (
    "DataLossError",
    "FailedPreconditionError",
    "InvalidArgumentError",
    "NotFoundError",
    "OutOfRangeError",
)
# The place of an error in a graph, which tells a user nothing.
_PLACES = re.compile(
    r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:\w+\]|name:\s*$"
    r"|Error in user-defined function .*? with iterator: [\w:]+: "
    r"|^(Graph execution error|Detected at node | +File ).*$",
    re.MULTILINE,
)
_ITERATORS = "IteratorGetNext", "ReduceDataset"
_LONGEST = 200  # Characters.


def sentence(error: Exception) -> str | None:
    """Describes the damage of a data set that a run is reading.

    Args:
        error: An error of any kind.

    Returns:
        The sentence; None if the error is not one of TensorFlow's from the
        iterator of a data set.
    """
    if type(error).__name__ not in _KINDS:
        return None
    if not any(name in str(error) for name in _ITERATORS):
        return None
    return (
        f"The files of the data set are damaged: {brief(error)}. Prepare the "
        "data set again, then continue with --resume."
    )


def brief(error: Exception) -> str:
    """Shortens an error's message to one line about the data."""
    if isinstance(error, UnicodeDecodeError):  # In its message.
        return "a record that is no example of TensorFlow's"
    text = getattr(error, "message", None) or str(error)
    text = _PLACES.sub("", text).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return textwrap.shorten(line, _LONGEST, placeholder=" …").rstrip(". ")
