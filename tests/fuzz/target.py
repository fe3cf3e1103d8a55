"""What a target of the search is, and which answers it may accept."""

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
    """What reads from outside, with the inputs to try on it.

    Attributes:
        inputs: Draws inputs; each has a `repr` that says what it is.
        check: Takes one; raises where the answer is neither right nor one
            sentence.
    """

    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]


# Makes a target that may write into an empty directory of its own.
Maker = Callable[[pathlib.Path], Target]


def answer(read: Callable[[], T]) -> T | None:
    """Calls what reads, and accepts one sentence in the place of a result.

    Args:
        read: Reads an input.

    Returns:
        What it gives; None where it raises an `InputError`.

    Raises:
        AssertionError: If the error is no sentence for people.
        Exception: Whatever else `read` raises.
    """
    try:
        return read()
    except InputError as error:
        check_sentence(str(error))
        return None


def check_sentence(text: str) -> None:
    """Holds an error's message against what people are promised.

    Raises:
        AssertionError: If it says nothing, has several lines, or is endless.
    """
    # What is wrong and what to do takes some words, however it is put.
    told = "Expected" in text or len(text.split()) >= FEWEST_WORDS
    assert told, f"says too little: {text!r}"
    assert "\n" not in text, f"several lines: {text!r}"
    assert len(text) <= LONGEST, f"{len(text)} characters: {text[:400]!r}"
