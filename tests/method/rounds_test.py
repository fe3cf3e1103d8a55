"""Rounds and learning rates, against the paper's recipe written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from and_tf.method.rounds import Rounds, RoundSchedule
from and_tf.utils.errors import InputError

STEPS = 391


def rates(epochs, schedule="step", plan=(4, 200, 200), **options):
    rate = RoundSchedule(0.03, schedule, STEPS, *plan, **options)
    return [float(rate(round(epoch * STEPS))) for epoch in epochs]


def test_rounds_of_epochs():
    plan = Rounds(2, 3, 2)
    assert plan.epochs == 8
    assert [plan.of_epoch(e) for e in range(8)] == [0, 0, 1, 1, 1, 2, 2, 2]
    assert [plan.first_epoch(r) for r in (0, 1, 2)] == [0, 2, 5]
    assert plan.ends == {0: 2, 1: 5, 2: 8}
    assert Rounds(2, 3, 0).of_epoch(0) == 1
    assert Rounds(2, 3, 0).ends == {1: 3, 2: 6}
    assert Rounds(0, 3, 5).epochs == 5
    assert Rounds(0, 3, 5).ends == {0: 5}
    assert Rounds(0, 3, 0).ends == {}


@pytest.mark.parametrize("plan", [(-1, 1, 1), (1, 0, 1), (1, 1, -1)])
def test_refuses_a_plan_without_sense(plan):
    with pytest.raises(InputError, match="Expected"):
        Rounds(*plan)


def test_papers_steps_in_every_round():
    """×0.1 at epoch 80 of a round and every 40 after."""
    within = np.arange(200)
    expected = 0.03 * 0.1 ** np.maximum(0, (within - 80) // 40 + 1)
    np.testing.assert_allclose(
        rates(range(1000)), np.tile(expected, 5), rtol=1e-5
    )


def test_drops_at_the_first_step_of_the_epoch():
    before, at = rates([80 - 1 / STEPS, 80])
    np.testing.assert_allclose([before, at], [0.03, 0.003], rtol=1e-5)


def test_cosine_restarts():
    received = rates([0, 5, 10, 15, 20], "cosine", (2, 10, 10))
    np.testing.assert_allclose(
        received, [0.03, 0.015, 0.03, 0.015, 0.03], rtol=1e-5
    )
    quarter = rates([2.5], "cosine", (2, 10, 10))[0]
    expected = 0.015 * (1 + math.cos(math.pi * round(2.5 * STEPS) / STEPS / 10))
    np.testing.assert_allclose(quarter, expected, rtol=1e-5)


def test_rounds_of_other_length_than_the_first():
    received = rates([0, 3, 4, 6, 8, 9], "cosine", (2, 4, 4))
    assert received[0] == received[2] == received[4]
    np.testing.assert_allclose(received[1], 0.015 * (1 - math.sqrt(0.5)), 1e-4)


def test_warmup_rises_in_every_round():
    half = 0.5 / STEPS
    received = rates(
        [0, 1 - half, 2, 10, 11], "constant", (2, 10, 10), warmup_epochs=2.0
    )
    np.testing.assert_allclose(received[0], 0.03 * half / 2, rtol=1e-4)
    np.testing.assert_allclose(received[1], 0.015, rtol=1e-2)
    np.testing.assert_allclose(received[2], 0.03, rtol=1e-5)
    assert received[3] == received[0]
    np.testing.assert_allclose(received[4], 0.015, rtol=1e-2)


def test_instance_learning_alone():
    np.testing.assert_allclose(
        rates([0, 1, 9], "step", (0, 1, 10)), [0.03, 0.03, 0.03e-3], rtol=1e-5
    )


def test_refuses_an_unknown_schedule():
    with pytest.raises(InputError, match="step, cosine, constant.*'linear'"):
        rates([0], "linear")
