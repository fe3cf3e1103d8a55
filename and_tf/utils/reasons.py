"""Puts the error of somebody else's code into a part of a sentence."""

from __future__ import annotations

import re

_LONGEST = 300  # Characters.
# Keras shows what a layer raised in bold, among the lines of its trace.
_BOLD = re.compile(r"\x1b\[1m([^\n\x1b]+)")


def reason(error: BaseException, *, kind: bool = False) -> str:
    """Returns what an error says, in one line without a full stop.

    Args:
        error: Any error. Of many lines, the first says what is wrong, unless
            Keras prints one in bold.
        kind: Whether to begin with the type of the error.
    """
    text = str(error).strip()
    bold = _BOLD.search(text)
    line = bold[1] if bold else text.partition("\n")[0]
    words = line[:_LONGEST].rstrip(".: ")
    if kind or not words:
        return ": ".join(filter(None, (type(error).__name__, words)))
    return words
