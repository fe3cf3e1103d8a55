"""Puts the error of somebody else's code into a part of a sentence."""

from __future__ import annotations

_LONGEST = 300  # Characters.


def reason(error: BaseException, *, kind: bool = False) -> str:
    """Returns what an error says, in one line without a full stop.

    Args:
        error: Any error. Keras and TensorFlow write many lines, of which the
            first says what is wrong or, after "in user code:", the last.
        kind: Whether to begin with the type of the error.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = bool(lines) and lines[0] == "in user code:"
    words = lines[-1 if last else 0] if lines else ""
    words = words[:_LONGEST].rstrip(".: ")
    if kind or not words:
        return ": ".join(filter(None, (type(error).__name__, words)))
    return words
