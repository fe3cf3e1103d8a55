"""Names what is wrong with images, by thresholds that adapt to the set.

Each measure has a fence beyond which an image stands out from the others: so
many robust standard deviations from the median, on a scale where the measures
of photographs are about symmetrical. Absolute bounds go with it. A mild value
is no fault, however much it stands out, so that a set of good images has none;
and an extreme one is a fault even if many are. Between them the set decides:
in a set of night photographs darkness is no fault.
"""

from __future__ import annotations

import numpy as np

from and_tf.exploring.measured import Measured

DARK, BRIGHT, BLURRED, BLANK = "dark", "bright", "blurred", "blank"
ODD_ASPECT, ODD_SIZE, TRUNCATED = "odd_aspect", "odd_size", "truncated"
ISSUES = (BLANK, DARK, BRIGHT, BLURRED, ODD_ASPECT, ODD_SIZE, TRUNCATED)
_DEVIATIONS = 3.5  # As Iglewicz and Hoaglin advise for outliers.
_NORMAL = 1.4826  # The standard deviation over the MAD of a normal variable.
_SMALLEST = 1e-6
# Bounds: the value at which a fault begins to be possible, and the one from
# which on it is certain.
_DARK = (0.12, 0.008)  # Mean luma.
_BRIGHT = (0.08, 0.004)  # One less the mean luma.
_BLURRED = (0.02, 5e-4)  # `Measures.sharpness`.
_ASPECT = (2.0, 10.0)  # The longer side over the shorter one.
_SIZE = (4.0, 64.0)  # Sides over the median side, or the inverse.
_BLANK_SHARE, _BLANK_CONTRAST = 0.998, 4 / 255


def issues(measured: Measured) -> list[list[str]]:
    """Returns the issues of each row, in the order of `ISSUES`.

    A blank image is not called dark, bright or blurred as well.
    """
    blank = _is_blank(measured)
    seen = ~blank
    side = np.sqrt(measured.width * measured.height.astype(np.float64))
    relative = side / np.median(side) if len(side) else side
    found = {
        BLANK: blank,
        DARK: seen & _low(measured.brightness, *_DARK, of=seen),
        BRIGHT: seen & _low(1 - measured.brightness, *_BRIGHT, of=seen),
        BLURRED: seen & _low(measured.sharpness, *_BLURRED, of=seen),
        ODD_ASPECT: _high(_stretch(measured.aspect), *_ASPECT),
        ODD_SIZE: _high(relative, *_SIZE) | _high(1 / relative, *_SIZE),
        TRUNCATED: measured.truncated,
    }
    return [
        [name for name in ISSUES if found[name][row]]
        for row in range(len(measured))
    ]


def _is_blank(measured: Measured) -> np.ndarray:
    """Returns whether images have nearly one colour alone, bool [N]."""
    return (measured.one_colour >= _BLANK_SHARE) & (
        measured.contrast <= _BLANK_CONTRAST
    )


def _stretch(aspect: np.ndarray) -> np.ndarray:
    return np.maximum(aspect, 1 / aspect)


def _high(values: np.ndarray, possible: float, certain: float) -> np.ndarray:
    """Returns which values are faults because they are high, bool [N]."""
    every = np.ones(len(values), bool)
    return _low(1 / values, 1 / possible, 1 / certain, of=every)


def _low(
    values: np.ndarray, possible: float, certain: float, of: np.ndarray
) -> np.ndarray:
    """Returns which values are faults because they are low, bool [N].

    Args:
        values: [N], positive.
        possible: Values above it are no faults.
        certain: Values below it are faults.
        of: bool [N], the rows that the others are compared with.
    """
    logs = np.log(np.maximum(values, _SMALLEST))
    if not of.any():
        return values < certain
    median = np.median(logs[of])
    # The spread below the median alone: the tail above it may be longer.
    below = median - logs[of & (logs <= median)]
    deviation = _NORMAL * np.median(below)
    outside = logs < median - _DEVIATIONS * deviation
    return (outside & (values < possible)) | (values < certain)
