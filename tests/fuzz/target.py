"""Defines a target of the search, and the answers that it accepts."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from and_tf.utils.errors import InputError

T = TypeVar("T")
LONGEST = 4_000  # Characters of a sentence; the longest lists all signatures.
FEWEST_WORDS = 8  # Of a message that does not say what was expected.


@dataclasses.dataclass(frozen=True)
class Target:
    """A check of code that reads input from outside, and the inputs to try.

    Attributes:
        inputs: A strategy that draws inputs, each with a telling `repr`.
        check: A function of an input that raises an exception if the answer is
            neither right nor an error of one sentence.
    """

    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]


# A function that makes a target, which may write into the empty directory.
Maker = Callable[[pathlib.Path], Target]


def answer(read: Callable[[], T]) -> T | None:
    """Calls a function, and accepts an `InputError` instead of a result.

    Args:
        read: A function that reads an input.

    Returns:
        The function's result; None if it raises an `InputError`.

    Raises:
        AssertionError: If the message of the `InputError` is not a readable
            sentence.
        Exception: If `read` raises another exception.
    """
    try:
        return read()
    except InputError as error:
        check_sentence(str(error))
        return None


def check_sentence(text: str) -> None:
    """Checks that an error's message is a readable sentence.

    Args:
        text: The message.

    Raises:
        AssertionError: If the message does not say what was expected, has
            several lines or is too long.
    """
    # What is wrong and what to do takes some words, however it is put.
    told = "Expected" in text or len(text.split()) >= FEWEST_WORDS
    assert told, f"says too little: {text!r}"
    assert "\n" not in text, f"several lines: {text!r}"
    assert len(text) <= LONGEST, f"{len(text)} characters: {text[:400]!r}"
