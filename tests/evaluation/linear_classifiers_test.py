"""Ridge and softmax regression, against scikit-learn and NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from and_tf.data.split import in_memory
from and_tf.evaluation import ridge, softmax_regression
from and_tf.evaluation.features import Features
from and_tf.evaluation.linear_classifier import (
    LinearClassifier,
    standardisation,
    top1,
)

SIDE = 8


@pytest.fixture(scope="module")
def digits():
    """Features (one channel of the images) and labels of 800 digits."""
    grey, labels = load_digits(return_X_y=True)
    grey, labels = grey[:800].astype(np.uint8), labels[:800].astype(np.int64)
    images = np.repeat(grey.reshape(-1, SIDE, SIDE, 1), 3, axis=3)
    inputs = keras.Input((SIDE, SIDE, 3))
    outputs = keras.ops.cast(inputs[..., :1], "float32")
    model = keras.Model(inputs, outputs)
    features = Features(model, in_memory("digits", images, labels), SIDE, 2**30)
    return features, grey.astype(np.float64), labels


class Held:
    """Features that are there already."""

    def __init__(self, rows):
        self._rows = rows.astype(np.float32)
        self.dimension = rows.shape[1]

    def batches(self):
        yield keras.ops.convert_to_tensor(self._rows), np.arange(800)

    def shuffled(self, batch_size, seed, epoch):
        order = np.random.default_rng((seed, epoch)).permutation(800)
        for start in range(0, 800, batch_size):
            numbers = order[start : start + batch_size]
            yield keras.ops.convert_to_tensor(self._rows[numbers]), numbers


def standardised(grey):
    return StandardScaler().fit_transform(grey)


def test_standardisation_is_scikit_learns(digits):
    """Some pixels never vary."""
    features, grey, _ = digits
    oracle = StandardScaler().fit(grey)
    found = standardisation(features)
    assert (oracle.var_ == 0).any()
    np.testing.assert_allclose(found.mean, oracle.mean_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.scale, oracle.scale_, rtol=1e-5)


@pytest.mark.parametrize("penalty", [1e-3, 1.0])
def test_ridge_is_scikit_learns(digits, penalty):
    _, grey, labels = digits
    x = standardised(grey).astype(np.float32) + 0.5  # Not centred.
    moments = ridge.Moments(64, 10)
    for start in range(0, 800, 300):
        part = slice(start, start + 300)
        moments.add(keras.ops.convert_to_tensor(x[part]), labels[part])
    found = moments.solve(penalty)
    oracle = Ridge(alpha=penalty * 800).fit(x.astype(float), np.eye(10)[labels])
    np.testing.assert_allclose(found.weights, oracle.coef_.T, atol=3e-4)
    np.testing.assert_allclose(found.bias, oracle.intercept_, atol=3e-4)


def test_the_penalty_is_the_best_on_what_is_held_out(digits):
    """Which is not the best on the few that are learnt from."""
    features, grey, labels = digits
    held_out = np.arange(800) >= 60
    x, targets = standardised(grey), np.eye(10)[labels]

    def right(penalty, asked):
        oracle = Ridge(alpha=penalty * 60)
        oracle.fit(x[~held_out], targets[~held_out])
        return (oracle.predict(x[asked]).argmax(1) == labels[asked]).mean()

    shares = [right(penalty, held_out) for penalty in ridge.PENALTIES]
    learnt = [right(penalty, ~held_out) for penalty in ridge.PENALTIES]
    assert np.argmax(learnt) != np.argmax(shares)
    found, penalty = ridge.fit(
        features, labels, 10, standardisation(features), held_out
    )
    assert max(shares) > min(shares)
    assert penalty == ridge.PENALTIES[int(np.argmax(shares))]
    whole = Ridge(alpha=penalty * 800).fit(x, targets)
    np.testing.assert_allclose(found.weights, whole.coef_.T, atol=1e-4)


def sgd(digits, **changes):
    features, _, labels = digits
    options = {"epochs": 30, "learning_rate": 1.0, "seed": 0} | changes
    return softmax_regression.fit(
        features, labels, 10, standardisation(features), **options
    )


def test_sgd_steps_are_numpys(digits):
    """One epoch at a constant rate, in the order that the features have."""
    features, grey, labels = digits
    x = standardised(grey) / 8
    weights, bias = np.zeros((64, 10)), np.zeros(10)
    velocity = [np.zeros_like(weights), np.zeros_like(bias)]
    for _, numbers in features.shuffled(256, 5, 0):
        rows = x[numbers]
        excess = softmax(rows @ weights + bias, 1) - np.eye(10)[labels[numbers]]
        excess /= len(rows)
        for i, gradient in enumerate([rows.T @ excess, excess.sum(0)]):
            velocity[i] = 0.9 * velocity[i] - 0.5 * gradient
        weights, bias = weights + velocity[0], bias + velocity[1]
    found = sgd(digits, epochs=1, learning_rate=0.5, seed=5)
    np.testing.assert_allclose(found.weights, weights / 8, atol=1e-6)
    np.testing.assert_allclose(found.bias, bias, atol=1e-6)


def test_sgd_comes_to_the_logistic_regression(digits):
    """On four averages, that part no two classes, so that it has an end."""
    _, grey, labels = digits
    maps = grey.reshape(-1, 2, 4, 2, 4).mean((2, 4)).reshape(800, 4)
    oracle = LogisticRegression(C=1e6, max_iter=5000).fit(
        standardised(maps), labels
    )
    found = softmax_regression.fit(
        Held(maps), labels, 10, standardisation(Held(maps)),
        epochs=600, learning_rate=1.0, seed=0,
    )  # fmt: skip
    # Equal up to what all classes share.
    centred = found.weights - found.weights.mean(1, keepdims=True)
    expected = oracle.coef_ - oracle.coef_.mean(0)
    np.testing.assert_allclose(centred.T, expected, atol=0.1)
    scores = standardised(maps).astype(np.float32)
    agree = found(scores) == oracle.predict(standardised(maps))
    assert agree.mean() > 0.98


def test_sgd_follows_from_its_seed(digits):
    once, again, other = sgd(digits), sgd(digits), sgd(digits, seed=1)
    np.testing.assert_array_equal(once.weights, again.weights)
    assert (once.weights != other.weights).any()


def test_the_rate_falls_after_each_third():
    rates = [softmax_regression.rate_of(e, 6, 2.0) for e in range(6)]
    np.testing.assert_allclose(rates, [2, 2, 0.2, 0.2, 0.02, 0.02])


def test_top1_counts_those_asked(digits, rng):
    features, grey, labels = digits
    classifiers = [
        LinearClassifier(
            rng.normal(size=(64, 10)).astype(np.float32), np.zeros(10, "f4")
        )
        for _ in range(2)
    ]
    among = rng.random(800) < 0.3
    expected = [
        ((standardised(grey) @ c.weights).argmax(1) == labels)[among].mean()
        for c in classifiers
    ]
    found = top1(
        classifiers, features, labels, standardisation(features), among
    )
    np.testing.assert_allclose(found, expected, atol=1e-2)
