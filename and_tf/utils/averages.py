"""Averages the values of several seeds, and formats figures for people."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

# One value for each seed, None if a run has no value.
Values = Sequence[float | None]


def known(values: Iterable[float | None]) -> list[float]:
    """Returns the values that are not None."""
    return [value for value in values if value is not None]


def mean_deviation(
    values: Iterable[float | None],
) -> tuple[float | None, float | None]:
    """Returns the mean and the sample standard deviation of known values.

    Returns:
        The mean, None if no value is known; and the deviation, with n − 1 in
        its denominator, None if fewer than two values are known.
    """
    there = known(values)
    return (
        float(statistics.fmean(there)) if there else None,
        float(statistics.stdev(there)) if len(there) > 1 else None,
    )


def with_deviation(mean: float, deviation: float | None, digits: int) -> str:
    """Formats "51.9 ± 0.3", or "51.9" if there is no deviation."""
    text = f"{mean:.{digits}f}"
    return text if deviation is None else f"{text} ± {deviation:.{digits}f}"


def percent(
    share: float | None,
    digits: int = 1,
    deviation: float | None = None,
    missing: str = "",
) -> str:
    """Formats a fraction in percent: "53.3 %", or "53.3 ± 0.2 %".

    Args:
        share: The fraction; None gives `missing`.
        digits: The number of digits after the point.
        deviation: The standard deviation of the fraction, if it has one.
        missing: The text for no fraction.
    """
    if share is None:
        return missing
    more = None if deviation is None else 100 * deviation
    return f"{with_deviation(100 * share, more, digits)} %"
