"""Consistency of rounds, by the colours of what is drawn."""

import numpy as np
import pytest

from and_tf.figures import canvas, consistency_array
from and_tf.figures.round_consistency import CURVES, Round


def count(picture: np.ndarray, colour: canvas.Colour) -> int:
    return int((picture == canvas.rgb(colour)).all(-1).sum())


def test_bars_are_parted_by_agreement() -> None:
    rounds = [Round(1, np.linspace(0.9, 0.4, 20), 1.0, 300, 100)]
    picture = consistency_array(rounds, chance=0.1, title="a run")
    bars = picture[100:450, 800:1050]
    green, red = count(bars, canvas.GREEN), count(bars, canvas.VERMILION)
    assert green / (green + red) == pytest.approx(0.75, abs=0.02)


def test_every_name_is_inside_the_picture() -> None:
    rounds = [Round(1, np.full(20, 0.5), 0.5, 3, 100_000)]
    picture = consistency_array(rounds, chance=0.1)
    assert picture.shape[1] == 1200
    assert (picture[:, -6:] == 255).all()


def test_certain_samples_stand_left_and_higher() -> None:
    rounds = [Round(1, np.array([0.8, 0.2]), 1.0, 1, 1)]
    curves = consistency_array(rounds, chance=0.5)[98:440, CURVES[0] + 4 : 590]
    # Blue against white, ticks and the grey line of chance.
    ys, xs = np.nonzero(curves[..., 2].astype(int) - curves[..., 0] > 60)
    assert np.corrcoef(xs, ys)[0, 1] > 0.9


@pytest.mark.parametrize(
    "rounds",
    [
        [Round(1, np.array([np.nan]), 0.0, 0, 0)],
        [Round(r, np.full(3, 0.3), r / 40, r, r) for r in range(1, 41)],
        [Round(4, np.array([0.5, np.nan, 0.1]), 0.5, 10**6, 10**6)],
    ],
    ids=["empty", "many", "gap"],
)
def test_odd_rounds_are_drawn(rounds: list[Round]) -> None:
    consistency_array(rounds, chance=0.0)
