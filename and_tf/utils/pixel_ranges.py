"""Reads the flag of the values that pixel values 0 and 255 stand for."""

from __future__ import annotations

from and_tf.utils.errors import InputError

AUTO = "auto"
MOST_CHANNELS = 16
_LARGEST = 1e30  # Which float32 can subtract.


def parse(text: str) -> tuple[float, float] | str:
    """Reads --pixel_range: "", "auto", or two numbers as "LOW,HIGH".

    Raises:
        InputError: If it is none of these.
    """
    if text in ("", AUTO):
        return text
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not -_LARGEST < low < high < _LARGEST:
        raise InputError(
            "Expected --pixel_range as auto or LOW,HIGH, two numbers in order "
            f"such as 0,10000. Received: {text!r}."
        )
    return low, high
