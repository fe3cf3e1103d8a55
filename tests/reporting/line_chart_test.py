"""Curves stand where their numbers say."""

from __future__ import annotations

import re

import numpy as np
import pytest

from and_tf.reporting.line_chart import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Band,
    Curve,
    line_chart,
)
from tests.reporting.parsed_page import Page


def points(drawn: str) -> np.ndarray:
    """Of the first curve, float64 [n, 2]."""
    (text,) = re.findall('points="([^"]*)"', drawn)[:1]
    return np.array([pair.split(",") for pair in text.split()], float)


def test_points_are_linear_in_their_numbers():
    x, y = np.array([0.0, 1.0, 4.0]), np.array([0.0, 5.0, 10.0])
    found = points(line_chart("t", "x", [Curve("c", "blue", x, y)]))
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    expected = [LEFT + x / 4 * across, HEIGHT - BOTTOM - y / 10 * down]
    np.testing.assert_allclose(found, np.transpose(expected), atol=0.051)


def test_steps_hold_up_to_their_points():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([10.0, 0.0, 10.0])
    bands = [Band(("r",), 0, 3)]
    curve = Curve("c", "blue", x, y, steps=True)
    found = points(line_chart("t", "x", [curve], bands=bands))
    thirds = LEFT + np.array([0, 1, 1, 2, 2, 3]) / 3 * (WIDTH - LEFT - RIGHT)
    np.testing.assert_allclose(found[:, 0], thirds, atol=0.051)
    assert found[0, 1] == found[1, 1] == found[4, 1] != found[2, 1]


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_one_point_alone_can_be_drawn(value):
    one = Curve("c", "blue", np.array([1.0]), np.array([value]))
    drawn = line_chart("t", "x", [one])
    assert np.isfinite(points(drawn)).all() and "<circle" in drawn


def test_names_stay_apart_and_on_the_drawing():
    names = [f"curve {i}" for i in range(6)]
    same = np.array([0.0, 1.0])
    curves = [Curve(name, "blue", same, same * 0 + 1) for name in names]
    drawn = line_chart("t", "x", curves, bases=[("base", 1.0)])
    heights = sorted(
        float(y)
        for y in re.findall(r'y="([\d.]+)" text-anchor="start"', str(drawn))
    )
    assert len(heights) == 7
    assert min(np.diff(heights)) >= 14.9 and heights[-1] <= HEIGHT


def test_a_name_is_text_and_the_drawing_is_said():
    x = np.array([0.0, 1.0])
    page = Page(line_chart("loss", "x", [Curve("<b>", "blue", x, x, "7")]))
    assert not any(tag == "b" for tag, _ in page.elements)
    (drawing,) = [a for tag, a in page.elements if tag == "svg"]
    assert drawing["aria-label"] == "loss. At the end: <b> 7."
