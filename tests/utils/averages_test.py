"""Means, deviations and percentages, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.utils.averages import mean_deviation, percent


@pytest.mark.parametrize("values", [[0.1, 0.4], [3.0, None, 1.0, 2.5]])
def test_deviations_are_those_of_a_sample(values):
    there = [value for value in values if value is not None]
    expected = np.mean(there), np.std(there, ddof=1)
    assert mean_deviation(values) == pytest.approx(expected)


def test_what_has_no_mean_or_no_deviation():
    assert mean_deviation([None, 0.5]) == (0.5, None)
    assert mean_deviation([None]) == mean_deviation([]) == (None, None)


def test_percentages():
    assert percent(0.5332) == "53.3 %"
    assert percent(np.float32(0.5), 0) == "50 %"
    assert percent(0.5, 2, 0.0125) == "50.00 ± 1.25 %"
    assert (percent(None), percent(None, missing="–")) == ("", "–")
