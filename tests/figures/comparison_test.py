"""Combinations of a sweep, drawn."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from and_tf.figures import canvas
from and_tf.figures.comparison import Series, compare


def series(values: dict, last: list[float], rounds: int = 0) -> Series:
    figures = {
        f"round_{r}": [x - 0.1 * (rounds - 1 - r) for x in last]
        for r in range(rounds)
    }
    return Series(values, {"knn_top1_last": last, **figures})


def where(path, colour) -> np.ndarray:
    """(y, x) of all pixels of exactly this colour beside the names."""
    with Image.open(path) as file:
        picture = np.asarray(file)
    return np.argwhere((picture[:, :900] == colour).all(-1))


def test_points_stand_at_means_and_bars_at_deviations(tmp_path) -> None:
    """Half way between two others' means, twice as far from one another."""
    wide = [0.4, 0.6]  # Mean 0.5, sample deviation 0.141.
    compare(
        [
            series({"rounds": 1}, [0.3]),
            series({"rounds": 2}, wide),
            series({"rounds": 3}, [0.7]),
        ],
        tmp_path / "plot.png",
    )
    low, middle, high = (
        where(tmp_path / "plot.png", colour)
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


def test_rounds_are_drawn_where_there_are_several(tmp_path) -> None:
    heights = []
    for rounds in (0, 1, 3):
        path = tmp_path / f"{rounds}.png"
        assert compare([series({"k": 1}, [0.5, 0.6], rounds)], path)
        with Image.open(path) as picture:
            heights.append(picture.size)
    assert heights[0] == heights[1] == (1200, heights[0][1])
    assert heights[2][1] > 1.5 * heights[0][1]


def test_a_panel_for_each_pair_of_measures_that_there_is(tmp_path) -> None:
    """As of clusterings with one head, with labels and without."""
    heights = []
    for names in (
        ["silhouette"], ["silhouette", "neighbours_together", "confidence"],
        ["acc", "kmeans_acc", "silhouette", "neighbours_together"],
    ):  # fmt: skip
        path = tmp_path / "plot.png"
        drawn = [
            Series({"clusters": c}, dict.fromkeys(names, [0.1 * c, 0.2]))
            for c in (2, 5)
        ]
        assert compare(drawn, path)
        with Image.open(path) as picture:
            heights.append(picture.size[1])
        assert len(where(path, canvas.BLUE)) > 40
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
def test_all_kinds_of_values_are_drawn(tmp_path, values) -> None:
    drawn = [series(v, [0.1 * i, 0.2], 2) for i, v in enumerate(values)]
    assert compare(drawn, tmp_path / "plot.png", title="all/of/it")


def test_nothing_is_drawn_of_nothing(tmp_path) -> None:
    assert not compare([series({"k": 1}, [])], tmp_path / "plot.png")
    assert not (tmp_path / "plot.png").exists()
