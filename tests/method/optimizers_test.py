"""SGD and Adam, step by step against their definitions in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from and_tf.method.optimizers import CoupledAdam, CoupledSGD


@pytest.mark.parametrize("nesterov", [False, True])
def test_follows_torch_through_a_drop_of_the_rate(rng, nesterov):
    weight = rng.normal(size=5).astype(np.float32)
    gradients = rng.normal(size=(6, 5)).astype(np.float32)
    rates = [0.1, 0.1, 0.1, 0.01, 0.01, 0.1]

    variable = keras.Variable(weight)
    sgd = CoupledSGD(0.1, 0.9, nesterov=nesterov, weight_decay=0.05)
    sgd.build([variable])
    expected, velocity = weight.astype(np.float64), np.zeros(5)
    for gradient, rate in zip(gradients, rates, strict=True):
        sgd.learning_rate = rate
        sgd.apply([gradient], [variable])
        decayed = gradient + 0.05 * expected
        velocity = 0.9 * velocity + decayed
        expected -= rate * (decayed + 0.9 * velocity if nesterov else velocity)
    np.testing.assert_allclose(variable, expected, rtol=1e-5)


def test_config_makes_it_again():
    sgd = CoupledSGD(0.2, 0.8, nesterov=False, weight_decay=0.3)
    again = CoupledSGD.from_config(sgd.get_config())
    assert again.coupled_decay == 0.3
    assert (again.momentum, again.nesterov) == (0.8, False)


def test_decay_enters_adams_moments(rng):
    weight = rng.normal(size=5).astype(np.float32)
    gradients = rng.normal(size=(6, 5)).astype(np.float32)
    variable = keras.Variable(weight)
    adam = CoupledAdam(0.1, weight_decay=0.3)
    adam.build([variable])
    expected, first, second = weight.astype(np.float64), 0, 0
    for t, gradient in enumerate(gradients, start=1):
        adam.apply([gradient], [variable])
        decayed = gradient + 0.3 * expected
        first = 0.9 * first + 0.1 * decayed
        second = 0.999 * second + 0.001 * decayed**2
        unbiased = np.sqrt(second / (1 - 0.999**t)) + 1e-8
        expected -= 0.1 * first / (1 - 0.9**t) / unbiased
    np.testing.assert_allclose(variable, expected, rtol=1e-5)


def test_adams_config_makes_it_again():
    again = CoupledAdam.from_config(
        CoupledAdam(0.2, weight_decay=0.3).get_config()
    )
    assert again.coupled_decay == 0.3
    assert float(again.learning_rate) == pytest.approx(0.2)
