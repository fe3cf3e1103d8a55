"""Temperature and calibration error, against closed forms and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from and_tf.evaluation.calibration import (
    HOTTEST,
    cross_entropy,
    expected_calibration_error,
    fit_temperature,
    reliability,
)


def test_temperature_of_two_classes_has_a_closed_form():
    """Where k of n answers are right, σ(2a / T) is k / n."""
    logits = np.tile([[3.0, -3.0]], (50, 1))
    labels = np.array([0] * 40 + [1] * 10)
    assert fit_temperature(logits, labels) == pytest.approx(
        6 / np.log(40 / 10), rel=1e-5
    )


def test_temperature_is_that_of_another_minimiser(rng):
    labels = rng.integers(0, 5, 300)
    logits = 4 * rng.normal(size=(300, 5))
    logits[np.arange(300), labels] += 3

    def loss(inverse):
        p = softmax(logits * inverse, axis=1)[np.arange(300), labels]
        return -np.log(p).mean()

    found = minimize(loss, x0=[1.0], method="Nelder-Mead", tol=1e-10)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(1 / found.x[0], rel=1e-4)
    assert cross_entropy(logits, labels, temperature) == pytest.approx(
        found.fun, rel=1e-9
    )


def test_nothing_is_learnt_of_confidence_where_all_is_right():
    assert fit_temperature(np.eye(3) * 5, np.arange(3)) == 1
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1


def test_answers_worse_than_chance_become_uniform():
    wrong = fit_temperature(np.eye(4) * 5, np.array([1, 2, 3, 0]))
    assert wrong == pytest.approx(HOTTEST, rel=1e-3)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_error_is_that_of_a_loop_over_bins(rng, bins):
    probabilities = softmax(3 * rng.normal(size=(200, 4)), axis=1)
    probabilities[0] = [1, 0, 0, 0]
    labels = rng.integers(0, 4, 200)
    sure = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    error = 0.0
    for i in range(bins):
        inside = (sure > i / bins) & (sure <= (i + 1) / bins)
        if inside.any():
            gap = abs(right[inside].mean() - sure[inside].mean())
            error += inside.mean() * gap
    found = expected_calibration_error(probabilities, labels, bins)
    assert found == pytest.approx(error, abs=1e-12)


def test_a_calibrated_classifier_has_no_error():
    probabilities = np.tile([[0.75, 0.25]], (8, 1))
    labels = np.array([0, 0, 0, 1] * 2)
    assert expected_calibration_error(probabilities, labels) == 0


def test_bins_without_an_image_have_no_figures():
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.8, 0.2]])
    found = reliability(probabilities, np.array([0, 1, 1]), bins=4)
    assert found.count.tolist() == [0, 0, 1, 2]
    np.testing.assert_allclose(found.confidence[2:], [0.7, 0.85])
    np.testing.assert_allclose(found.accuracy[2:], [1, 0.5])
    assert found.figures()["accuracy"][:2] == [None, None]
