"""Says in a sentence what TensorFlow says of damaged data in many lines."""

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
# Where in a graph it happened, which says nothing to a user.
_PLACES = re.compile(
    r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:\w+\]|name:\s*$"
    r"|Error in user-defined function .*? with iterator: [\w:]+: "
    r"|^(Graph execution error|Detected at node | +File ).*$",
    re.MULTILINE,
)
_ITERATORS = "IteratorGetNext", "ReduceDataset"
_LONGEST = 200  # Characters.


def sentence(error: Exception) -> str | None:
    """Says what is wrong with a data set that a run reads in passing.

    Args:
        error: Of any kind.

    Returns:
        None where it is no error of TensorFlow that a data set's iterator
        raised.
    """
    if type(error).__name__ not in _KINDS:
        return None
    if not any(name in str(error) for name in _ITERATORS):
        return None
    return (
        "Expected a data set in files that are whole. Received: "
        f"{brief(error)}. Get the data set anew, then go on with --resume."
    )


def brief(error: Exception) -> str:
    """Shortens an error's message to what it says of the data, on one line."""
    if isinstance(error, UnicodeDecodeError):  # Of TensorFlow's own message.
        return "a record that is no example of TensorFlow's"
    text = getattr(error, "message", None) or str(error)
    text = _PLACES.sub("", text).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return textwrap.shorten(line, _LONGEST, placeholder=" …").rstrip(". ")
