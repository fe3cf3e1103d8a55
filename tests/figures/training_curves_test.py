"""Curves of a run."""

import matplotlib.pyplot
import numpy as np
import pytest
from PIL import Image

from and_tf.figures import curves
from and_tf.figures.axes_style import spread
from and_tf.figures.curve_panels import series

BLUE, ORANGE, GREEN = (0, 114, 178), (230, 159, 0), (0, 158, 115)
RED, BAND = (213, 94, 0), (238, 241, 244)


def history(epochs: int = 12, **constants: float) -> list[dict]:
    """Round 0, 1 and 2 in equal parts."""
    return [
        {
            "epoch": epoch,
            "round": epoch * 3 // epochs,
            "loss": 5 - epoch / epochs,
            "learning_rate": 0.03,
            **constants,
        }
        for epoch in range(epochs)
    ]


def draw(path, rows: list[dict], **kwargs) -> np.ndarray:
    curves(rows, path, **kwargs)
    with Image.open(path) as file:
        assert (file.format, file.mode) == ("PNG", "RGB")
        return np.asarray(file)


def where(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(y, x) of all pixels of exactly this colour."""
    return np.argwhere((picture == colour).all(-1))


def test_the_picture_is_1200_pixels_wide_and_leaves_no_state(tmp_path) -> None:
    picture = draw(tmp_path / "new" / "c.png", history(), title="$ run")
    assert picture.shape[1] == 1200
    assert matplotlib.pyplot.get_fignums() == []


def test_every_other_round_is_shaded(tmp_path) -> None:
    shaded = where(draw(tmp_path / "c.png", history()), BAND)[:, 1]
    plain = where(draw(tmp_path / "d.png", history()[:4]), BAND)

    assert not len(plain)
    width = shaded.max() - shaded.min()
    # A third of the axes, which lie between the margins for names.
    assert 250 < width < 320
    assert abs((shaded.max() + shaded.min()) / 2 - 533) < 20


def test_higher_accuracy_is_drawn_higher(tmp_path) -> None:
    rows = history()
    rows[2]["knn_clean"], rows[11]["knn_clean"] = 0.2, 0.4
    blue = where(draw(tmp_path / "c.png", rows), BLUE)
    line = blue[blue[:, 1] < 1200 - 226]

    first, last = line[line[:, 1].argmin()], line[line[:, 1].argmax()]
    assert first[0] > last[0] + 100


def test_a_baseline_is_a_line_at_its_accuracy(tmp_path) -> None:
    rows = history(knn_clean=0.4, knn_bank=0.45)
    without = draw(tmp_path / "a.png", rows)
    baselines = {"raw pixels": 0.425}  # Half way, so that no limit moves.
    picture = draw(tmp_path / "b.png", rows, baselines=baselines)

    axes = np.s_[:, 92:974]
    changed = (picture != without).any(-1)[axes]
    ys = np.flatnonzero(changed.any(1))
    clean, bank = (
        np.median(where(without[axes], c)[:, 0]) for c in (BLUE, ORANGE)
    )
    assert ys.max() - ys.min() <= 2
    assert ys.mean() == pytest.approx((clean + bank) / 2, abs=2)
    assert changed.any(0).mean() > 0.5
    named = (picture != without).any(-1)[ys.min() - 5 : ys.max() + 5, 980:]
    assert named.any()


def test_anchors_are_parted_by_consistency(tmp_path) -> None:
    rows = history()
    for row in rows[4:]:
        row |= {"anchors": 1000, "consistency": 0.75}
    picture = draw(tmp_path / "c.png", rows)
    column = picture[:, where(picture, RED)[:, 1].min() + 5]

    green, red = ((column == c).all(-1).sum() for c in (GREEN, RED))
    assert green / (green + red) == pytest.approx(0.75, abs=0.03)


def test_panels_without_data_are_left_out(tmp_path) -> None:
    full = draw(tmp_path / "a.png", history(knn_bank=0.4, anchors=100))
    no_labels = draw(tmp_path / "b.png", history(anchors=100))
    bare = draw(tmp_path / "c.png", [{"epoch": 0, "loss": 1.0}])

    assert full.shape[0] > no_labels.shape[0] > bare.shape[0]
    assert not len(where(no_labels, ORANGE))
    assert not len(where(no_labels, GREEN))


@pytest.mark.parametrize(
    "rows",
    [
        history()[:1],
        history(knn_bank=0.1)[:1],
        history(epochs=90, anchors=10**6, consistency=0.5),
        [{"epoch": e, "loss": float("nan")} for e in range(3)]
        + [{"epoch": 3, "loss": 2.0}],
        [{"epoch": 0, "anchors": 10}],
        history(learning_rate=0.0),
        [{"epoch": e, "round": e, "loss": 1.0} for e in range(60)],
    ],
)
def test_odd_histories_are_drawn(tmp_path, rows: list[dict]) -> None:
    draw(tmp_path / "c.png", rows, rounds=4)


@pytest.mark.parametrize(
    "rows", [[], [{"epoch": 0}], [{"epoch": 0, "loss": None}]]
)
def test_nothing_to_draw_is_refused(tmp_path, rows: list[dict]) -> None:
    with pytest.raises(ValueError, match="Expected a history"):
        curves(rows, tmp_path / "c.png")


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


def test_spread_moves_no_more_than_needed() -> None:
    assert spread([0.0, 0.05, 0.5], 0.1) == [0.0, 0.1, 0.5]
    assert spread([], 0.1) == []
