"""Parts of panels: names, bars, rounds and figures of a history."""

import pytest

from and_tf.figures import canvas
from and_tf.figures.panels import (
    add_panel,
    move_apart,
    name_ends,
    series,
    spans_of,
)


def test_series_keeps_what_is_finite() -> None:
    rows = [
        {"epoch": 0, "loss": 3.0},
        {"epoch": 1},
        {"epoch": 2, "loss": None},
        {"epoch": 3, "loss": float("inf")},
        {"epoch": 4, "loss": 1.0},
    ]
    epochs, values = series(rows, "loss")
    assert (epochs.tolist(), values.tolist()) == ([1, 5], [3, 1])


def test_spans_are_the_rounds_of_a_history() -> None:
    rows = [
        {"epoch": e, "round": e // 3, "anchors": None if e == 3 else e}
        for e in range(2, 8)
    ]
    spans = spans_of(rows)
    assert [(s.round, s.begin, s.end) for s in spans] == [
        (0, 2, 3), (1, 3, 6), (2, 6, 8),
    ]  # fmt: skip
    assert spans[1].middle == 4.5
    assert [s.first("anchors") for s in spans] == [2, 4, 6]
    assert spans[0].first("loss") is None


def test_names_stand_at_their_values_and_apart() -> None:
    figure = canvas.new_figure(400, 300)
    axes = add_panel(figure, 50, 20, 200, 250)
    axes.set_ylim(0, 10)
    labels = [(5.0, "$", canvas.BLUE), (5.1, "b", canvas.GREEN)]
    name_ends(axes, [*labels, (0.0, "c", canvas.VERMILION)])
    places = [
        text.get_window_extent().get_points()[:, 1].mean()
        for text in axes.texts
    ]
    low, middle, high = (300 - place for place in places)
    assert low == pytest.approx(270, abs=3)
    assert middle == pytest.approx(145, abs=3)
    assert middle - high == pytest.approx(17, abs=3)


def test_places_are_moved_no_more_than_needed() -> None:
    assert move_apart([0.0, 0.05, 0.5], 0.1) == [0.0, 0.1, 0.5]
    assert move_apart([], 0.1) == []
