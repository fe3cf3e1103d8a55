"""Cosines of neighbours, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.neighbours.nearness import nearness
from benchmarks.neighbours.rules import Discovery


def test_cosines_are_those_of_anchors():
    clean = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
    rows = np.array([[0, 0], [0.5, 0], [0, 0.5], [0, 0]], np.float32)
    neighbours = np.array([[1, 2], [2, 0], [1, 3], [0, 1]])
    is_anchor = np.array([True, True, False, False])
    found = nearness(
        clean, rows, Discovery(neighbours, is_anchor), np.array([0, 0, 1, 1])
    )
    assert found.rows == pytest.approx((0.5 + 0 + 0.4 + 0) / 4)
    assert found.clean == pytest.approx((0.6 + 0 + 0.8 + 0.6) / 4)
    assert found.right == pytest.approx(0.6)
    assert found.wrong == pytest.approx(0.4)
