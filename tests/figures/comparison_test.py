"""Combinations of a sweep, drawn."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.figures import canvas, comparison_array
from and_tf.figures.comparison import Series


def series(values: dict, last: list[float], rounds: int = 0) -> Series:
    figures = {
        f"round_{r}": [x - 0.1 * (rounds - 1 - r) for x in last]
        for r in range(rounds)
    }
    return Series(values, {"knn_top1_last": last, **figures})


def where(picture: np.ndarray, colour: canvas.Colour) -> np.ndarray:
    """(y, x) of all pixels of exactly this colour beside the names."""
    return np.argwhere((picture[:, :900] == canvas.rgb(colour)).all(-1))


def test_points_stand_at_means_and_bars_at_deviations() -> None:
    """Half way between two others' means, twice as far from one another."""
    wide = [0.4, 0.6]  # Mean 0.5, sample deviation 0.141.
    picture = comparison_array(
        [
            series({"rounds": 1}, [0.3]),
            series({"rounds": 2}, wide),
            series({"rounds": 3}, [0.7]),
        ]
    )
    low, middle, high = (
        where(picture, colour)
        for colour in (canvas.BLUE, canvas.ORANGE, canvas.GREEN)
    )

    def centre(pixels: np.ndarray) -> np.ndarray:
        return (pixels.min(0) + pixels.max(0)) / 2

    assert centre(low)[0] > centre(middle)[0] > centre(high)[0]
    np.testing.assert_allclose(
        centre(middle), (centre(low) + centre(high)) / 2, atol=1.5
    )
    bar = np.ptp(middle[:, 0])
    distance = centre(low)[0] - centre(high)[0]  # Of 0.4.
    expected = 2 * np.std(wide, ddof=1) / 0.4 * distance
    assert bar == pytest.approx(expected, abs=4)


def test_rounds_are_drawn_where_there_are_several() -> None:
    shapes = [
        comparison_array([series({"k": 1}, [0.5, 0.6], rounds)]).shape
        for rounds in (0, 1, 3)
    ]
    assert shapes[0] == shapes[1] == (shapes[0][0], 1200, 3)
    assert shapes[2][0] > 1.5 * shapes[0][0]


def test_a_panel_for_each_pair_of_measures_that_there_is() -> None:
    """As of clusterings with one head, with labels and without."""
    heights = []
    for names in (
        ["silhouette"], ["silhouette", "neighbours_together", "confidence"],
        ["acc", "kmeans_acc", "silhouette", "neighbours_together"],
    ):  # fmt: skip
        drawn = [
            Series({"clusters": c}, dict.fromkeys(names, [0.1 * c, 0.2]))
            for c in (2, 5)
        ]
        picture = comparison_array(drawn)
        heights.append(len(picture))
        assert len(where(picture, canvas.BLUE)) > 40
    assert heights[2] - heights[1] == heights[1] - heights[0] > 300


@pytest.mark.parametrize(
    "values",
    [
        [{}],
        [{"selection": "one_off"}, {"selection": "$ none"}],
        [{"baselines": True}, {"baselines": False}],
        [{"weight_decay": 0.0}, {"weight_decay": 1e-4}],
        [{"k": k, "selection": s} for k in (1, 10, 100) for s in "abcdef"],
    ],
)
def test_all_kinds_of_values_are_drawn(values) -> None:
    drawn = [series(v, [0.1 * i, 0.2], 2) for i, v in enumerate(values)]
    blue = where(comparison_array(drawn, title="all/of/it"), canvas.BLUE)
    assert len(blue) or len(values) > len(canvas.PALETTE)


def test_what_differs_in_the_flag_on_x_alone_is_one_series() -> None:
    """Two of them, in the colours of their first combinations, not four."""
    both = [
        series({"k": k, "selection": s}, [0.1 * k + 0.5 * (s == "b")])
        for k in (1, 3)
        for s in "ab"
    ]
    picture = comparison_array(both)
    for colour in (canvas.BLUE, canvas.ORANGE):
        xs = where(picture, colour)[:, 1]
        assert np.ptp(xs) > 300
    assert not len(where(picture, canvas.GREEN))


def test_nothing_is_drawn_of_nothing() -> None:
    assert comparison_array([series({"k": 1}, [])]) is None
