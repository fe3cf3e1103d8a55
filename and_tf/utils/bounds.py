"""Checks the numbers of flags, each of which has a finite range.

Without an upper end, `inf` and typing errors such as `--embedding_dim=10**12`
are found only after hours, or end in a stack trace of another package.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

from and_tf.utils.errors import InputError

# The notes of a flag that bound its number, in the order of the checks.
BOUNDS = (
    ("least", operator.ge, "of at least"),
    ("above", operator.gt, "above"),
    ("most", operator.le, "of at most"),
)

# Upper ends that several flags share, each with its reason.
INT32 = 2**31 - 1  # TensorFlow's graphs turn a Python integer into int32.
SEED = INT32
EPOCHS = 99_999  # Names of checkpoints have five digits for epochs.
STEPS = 99_999_999  # Names of checkpoints have eight digits for steps.
SIDE = 8_192  # Pixels; one image of this side takes 0.8 GB as float32.
BATCH = 2**20  # Images; a step with more would not fit any device.
CHANNELS = 2**16  # Numbers of an embedding; a larger layer takes 10 GB.
CLUSTERS = 2**20  # A layer for more takes gigabytes.
NEIGHBOURS = 2**20  # A longer list for each image takes terabytes.
IMAGES = 10**9  # Images of a folder; more have no room in a table.
PORT = 65_535  # The largest port of TCP.
REPEATS = 10_000  # Repetitions of a measurement that is averaged.
GIB = 2**20  # 1 PiB, whose bytes int64 can count.
FACTOR = 1e4  # Rates, weights and temperatures, far below float32's limit.
SECONDS = 86_400 * 365  # A year; sockets accept only bounded numbers.


def check(name: str, value: float, notes: Mapping[str, Any]) -> None:
    """Checks a number against the bounds in a flag's notes.

    Args:
        name: The name of the flag.
        value: The number.
        notes: The notes of the flag, see `flag_config.option`: `least` and
            `most` are the smallest and the largest number allowed; `above` is
            a lower bound that is not allowed itself.

    Raises:
        InputError: If the number is out of bounds, infinite or NaN.
    """
    for note, holds, words in BOUNDS:
        # Written so that NaN is refused too.
        if note in notes and not holds(value, notes[note]):
            raise InputError(
                f"Expected --{name} {words} {_text(notes[note])}. Received: "
                f"{_text(value)}."
            )
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(
            f"Expected --{name} to be a finite number. Received: {value}."
        )


def _text(number: float) -> str:
    """Formats a number as a user would type it."""
    return str(number) if isinstance(number, int) else f"{number:g}"
