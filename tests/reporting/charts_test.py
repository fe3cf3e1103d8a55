"""Curves stand where their numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.reporting import page
from and_tf.reporting.charts import Band, Chart, Curve, of_history
from tests.reporting.parsed_page import Page

X = np.array([0.0, 1.0])


def points(chart: Chart, place: int = 0) -> np.ndarray:
    """Of one of its curves, float64 [n, 2]."""
    pairs = chart.path(chart.curves[place]).split()
    return np.array([pair.split(",") for pair in pairs], float)


def drawn(chart: Chart) -> Page:
    parts = page.environment().get_template("parts.html.j2").module
    return Page(parts.line_chart(chart))


def test_points_are_linear_in_their_numbers():
    x, y = np.array([0.0, 1.0, 4.0]), np.array([0.0, 5.0, 10.0])
    chart = Chart("t", "x", [Curve("c", "blue", x, y)])
    across, down = chart.right - chart.left, chart.bottom - chart.top
    expected = [chart.left + x / 4 * across, chart.bottom - y / 10 * down]
    np.testing.assert_allclose(
        points(chart), np.transpose(expected), atol=0.051
    )


def test_steps_hold_up_to_their_points():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([10.0, 0.0, 10.0])
    curve = Curve("c", "blue", x, y, steps=True)
    chart = Chart("t", "x", [curve], bands=[Band(("r",), 0, 3)])
    found = points(chart)
    thirds = np.array([0, 1, 1, 2, 2, 3]) / 3 * (chart.right - chart.left)
    np.testing.assert_allclose(found[:, 0], chart.left + thirds, atol=0.051)
    assert found[0, 1] == found[1, 1] == found[4, 1] != found[2, 1]


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_one_point_alone_can_be_drawn(value):
    one = Curve("c", "blue", np.array([1.0]), np.array([value]))
    chart = Chart("t", "x", [one])
    assert np.isfinite(points(chart)).all()
    assert "circle" in [tag for tag, _ in drawn(chart).elements]


def test_names_stay_apart_and_on_the_drawing():
    curves = [Curve(f"curve {i}", "blue", X, X * 0 + 1) for i in range(6)]
    chart = Chart("t", "x", curves, bases=[("base", 1.0)])
    heights = [label.height for label in chart.labels()]
    assert len(heights) == 7
    assert min(np.diff(heights)) >= 14.9 and heights[-1] <= chart.height


def test_a_band_has_the_longest_name_that_it_has_room_for():
    bands = [Band(("round 1", "1"), 0, 90), Band(("round 2", "2"), 90, 92)]
    chart = Chart("t", "x", [Curve("c", "blue", X, X)], bands=bands)
    assert [chart.band_name(band) for band in bands] == ["round 1", "2"]


def test_a_name_is_text_and_the_drawing_is_said():
    page = drawn(Chart("loss", "x", [Curve("<b>", "blue", X, X, "7")]))
    assert not any(tag == "b" for tag, _ in page.elements)
    (drawing,) = [a for tag, a in page.elements if tag == "svg"]
    assert drawing["aria-label"] == "loss. At the end: <b> 7."


def test_a_history_is_drawn_as_far_as_it_is_known():
    history = [{"epoch": i, "loss": 2.0 - i, "knn": i / 4} for i in range(3)]
    shares = {"knn": ("kNN", "blue"), "unknown": ("?", "blue")}
    (chart,) = of_history(
        history, "t", shares, in_percent=True, bases={"pixels": 0.4}
    )
    (curve,) = chart.curves
    assert curve.y.tolist() == [0.0, 25.0, 50.0] and curve.ending == "50.0"
    assert chart.bases == [("pixels", 40.0)]
    assert not list(of_history(history, "t", {"unknown": ("?", "blue")}))
