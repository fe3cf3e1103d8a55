"""SGD and Adam, step by step against their definitions in NumPy."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf.method.optimizers import CoupledAdam, CoupledSGD, FactoredAdamW
from tests.on_replicas import on_replicas


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
    sgd = CoupledSGD(
        0.2, 0.8, nesterov=False, weight_decay=0.3, rate_factors=[2.0, 1.0]
    )
    again = CoupledSGD.from_config(sgd.get_config())
    assert again.coupled_decay == 0.3
    assert (again.momentum, again.nesterov) == (0.8, False)
    assert again.rate_factors == [2.0, 1.0]


def _variables() -> list[keras.Variable]:
    """Two vectors of the same name."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 3)).astype(np.float32)
    return [keras.Variable(value, name="kernel") for value in values]


def _gradients(step: int) -> list[np.ndarray]:
    rng = np.random.default_rng(step)
    return [rng.normal(size=3).astype(np.float32) for _ in range(2)]


def _two_rates(steps: int) -> list[np.ndarray]:
    """SGD of each vector with its own rate, in NumPy."""
    found = [np.array(v, np.float64) for v in _variables()]
    velocity = [np.zeros(3), np.zeros(3)]
    for step in range(steps):
        for i, (rate, gradient) in enumerate(
            zip((0.02, 0.2), _gradients(step), strict=True)
        ):
            decayed = gradient + 0.05 * found[i]
            velocity[i] = 0.9 * velocity[i] + decayed
            found[i] -= rate * (decayed + 0.9 * velocity[i])
    return found


def test_factors_give_variables_rates_of_their_own():
    variables = _variables()
    sgd = CoupledSGD(0.2, weight_decay=0.05, rate_factors=[0.1, 1.0])
    sgd.build(variables)
    for step in range(4):
        sgd.apply(_gradients(step), variables)
    for found, expected in zip(variables, _two_rates(4), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_factors_of_adamw_are_rates_of_their_own():
    """Each variable moves as under Keras' AdamW with its rate alone."""
    factors = [0.1, 1.0]
    variables, alone = _variables(), _variables()
    adamw = FactoredAdamW(0.2, weight_decay=0.0, rate_factors=factors)
    again = FactoredAdamW.from_config(adamw.get_config())
    assert again.rate_factors == factors
    again.build(variables)
    others = [
        keras.optimizers.AdamW(0.2 * f, weight_decay=0.0) for f in factors
    ]
    for other, variable in zip(others, alone, strict=True):
        other.build([variable])
    for step in range(4):
        gradients = _gradients(step)
        again.apply(gradients, variables)
        for other, gradient, variable in zip(
            others, gradients, alone, strict=True
        ):
            other.apply([gradient], [variable])
    for found, expected in zip(variables, alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_refuses_factors_of_other_variables():
    with pytest.raises(ValueError, match="for 2 variables. Received: 1"):
        CoupledSGD(0.2, rate_factors=[0.1]).build(_variables())


def _two_layers(factors: list | None, rate: float) -> keras.Model:
    keras.utils.set_random_seed(1)
    images = keras.Input((3,))
    first = keras.layers.Dense(4, name="trunk")(images)
    model = keras.Model(images, keras.layers.Dense(3, name="head")(first))
    sgd = CoupledSGD(rate, weight_decay=0.05, rate_factors=factors)
    model.compile(sgd, "mse")
    sgd.build(model.trainable_variables)
    return model


def _moved(model: keras.Model) -> list[np.ndarray]:
    """Takes one step, and returns the weights after it."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 8, 3)).astype(np.float32)
    model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    return model.get_weights()


def mirrored_steps(
    strategy: tf.distribute.Strategy, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """Takes a step before and one after the model is saved and loaded."""
    with strategy.scope():
        model = _two_layers([0.1, 0.1, 1.0, 1.0], 0.2)
    before = _moved(model)
    model.save(directory / "model.keras")
    after = _moved(keras.models.load_model(directory / "model.keras"))
    arrays = {f"before{i}": w for i, w in enumerate(before)}
    return arrays | {f"after{i}": w for i, w in enumerate(after)}


def test_factors_on_two_replicas_that_are_kept_in_a_file(tmp_path):
    found = on_replicas(mirrored_steps, 2, tmp_path)
    mirrored = [found[f"before{i}"] for i in range(4)]
    again = [found[f"after{i}"] for i in range(4)]
    slow, fast = _two_layers(None, 0.02), _two_layers(None, 0.2)
    expected = [*_moved(slow)[:2], *_moved(fast)[2:]]
    for got, wanted in zip(mirrored, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
    for model in (slow, fast):  # The second step starts from the same weights.
        model.set_weights(mirrored)
        for velocity, own in zip(
            model.optimizer.momentums,
            (*slow.optimizer.momentums[:2], *fast.optimizer.momentums[2:]),
            strict=True,
        ):
            velocity.assign(np.array(own))
    expected = [*_moved(slow)[:2], *_moved(fast)[2:]]
    for got, wanted in zip(again, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


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
