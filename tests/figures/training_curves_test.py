"""Curves of a run."""

import matplotlib.pyplot
import numpy as np
import pytest

from and_tf.figures import curves_array

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


def where(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(y, x) of all pixels of exactly this colour."""
    return np.argwhere((picture == colour).all(-1))


def test_the_picture_is_1200_pixels_wide_and_leaves_no_state() -> None:
    picture = curves_array(history(), title="$ run")
    assert picture.shape[1] == 1200
    assert matplotlib.pyplot.get_fignums() == []


def test_every_other_round_is_shaded() -> None:
    shaded = where(curves_array(history()), BAND)[:, 1]
    plain = where(curves_array(history()[:4]), BAND)

    assert not len(plain)
    width = shaded.max() - shaded.min()
    # A third of the axes, which lie between the margins for names.
    assert 250 < width < 320
    assert abs((shaded.max() + shaded.min()) / 2 - 533) < 20


def test_higher_accuracy_is_drawn_higher() -> None:
    rows = history()
    rows[2]["knn_clean"], rows[11]["knn_clean"] = 0.2, 0.4
    blue = where(curves_array(rows), BLUE)
    line = blue[blue[:, 1] < 1200 - 226]

    first, last = line[line[:, 1].argmin()], line[line[:, 1].argmax()]
    assert first[0] > last[0] + 100


def test_a_baseline_is_a_line_at_its_accuracy() -> None:
    rows = history(knn_clean=0.4, knn_bank=0.45)
    without = curves_array(rows)
    baselines = {"raw pixels": 0.425}  # Half way, so that no limit moves.
    picture = curves_array(rows, baselines=baselines)

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


def test_anchors_are_parted_by_consistency() -> None:
    rows = history()
    for row in rows[4:]:
        row |= {"anchors": 1000, "consistency": 0.75}
    picture = curves_array(rows)
    column = picture[:, where(picture, RED)[:, 1].min() + 5]

    green, red = ((column == c).all(-1).sum() for c in (GREEN, RED))
    assert green / (green + red) == pytest.approx(0.75, abs=0.03)


def test_panels_without_data_are_left_out() -> None:
    full = curves_array(history(knn_bank=0.4, anchors=100))
    no_labels = curves_array(history(anchors=100))
    bare = curves_array([{"epoch": 0, "loss": 1.0}])

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
def test_odd_histories_are_drawn(rows: list[dict]) -> None:
    curves_array(rows, rounds=4)


@pytest.mark.parametrize(
    "rows", [[], [{"epoch": 0}], [{"epoch": 0, "loss": None}]]
)
def test_nothing_to_draw_is_refused(rows: list[dict]) -> None:
    with pytest.raises(ValueError, match="Expected a history"):
        curves_array(rows)
