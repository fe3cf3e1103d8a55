"""The numbers that flags may have: every one has a finite range.

Without an upper end, `inf` and typing errors such as `--embedding_dim=10**12`
are found only after hours, or end in a stack trace of another package.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

from absl import flags

from and_tf.utils.errors import InputError

# The notes of a number, in the order in which they are checked.
BOUNDS = (
    ("least", operator.ge, "of at least"),
    ("above", operator.gt, "above"),
    ("most", operator.le, "of at most"),
)

# Upper ends that several flags share, each with its reason.
INT32 = 2**31 - 1  # What a Python number becomes in TensorFlow's graphs.
SEED = INT32
EPOCHS = 99_999  # The digits that names of checkpoints have for them.
STEPS = 99_999_999  # Likewise of steps within an epoch.
SIDE = 8_192  # Pixels: one image of it takes 0.8 GB as float32.
BATCH = 2**20  # Images; a step of more would not fit any device.
CHANNELS = 2**16  # Numbers of an embedding; a layer of more has 10 GB.
CLUSTERS = 2**20  # A layer of so many has GB.
NEIGHBOURS = 2**20  # A list of so many for each image has TB.
REPEATS = 10_000  # Of what is done several times and averaged.
GIB = 2**20  # A PiB, whose bytes int64 still counts.
FACTOR = 1e4  # Of rates, weights and temperatures: far from float32's end.
SECONDS = 86_400 * 365  # A year; sockets take no number without an end.

# So that --help of the main that has them defined lists them.
flags.disclaim_key_flags()


def check(name: str, value: float, notes: Mapping[str, Any]) -> None:
    """Holds a number against the bounds in a flag's notes.

    Args:
        name: The flag's.
        value: Its number.
        notes: Has `least` and `most`, the numbers allowed, or `above`, a
            bound that is not allowed itself.

    Raises:
        InputError: If it is out of bounds, infinite or no number.
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


def define_number(
    name: str,
    default: float,
    text: str,
    *,
    most: float,
    values: flags.FlagValues = flags.FLAGS,
    **lower: float,
) -> flags.FlagHolder[Any]:
    """Defines a flag with a finite range, checked as flags are parsed.

    Args:
        name: The flag's.
        default: An int or a float; the type of the flag follows from it.
        text: The help text.
        most: The largest number allowed.
        values: The flags that it is one of.
        **lower: Either `least`, the smallest number allowed, or `above`, a
            bound that is not allowed itself.
    """
    if set(lower) not in ({"least"}, {"above"}):
        raise TypeError(f"Expected least or above. Received: {lower}.")
    notes = {**lower, "most": most}
    is_int = isinstance(default, int)
    define = flags.DEFINE_integer if is_int else flags.DEFINE_float
    holder = define(name, default, text, flag_values=values)

    def holds(value: float) -> bool:
        try:
            check(name, value, notes)
        except InputError as error:
            raise flags.ValidationError(str(error)) from error
        return True

    flags.register_validator(name, holds, flag_values=values)
    return holder


def _text(number: float) -> str:
    """A number as a user would type it."""
    return str(number) if isinstance(number, int) else f"{number:g}"
