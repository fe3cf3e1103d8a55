"""The same training on one and on two replicas of the CPU."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import and_tf
from tests.model_test import blobs, epochs_of, mlp

EPOCHS = 4


def train(strategy: tf.distribute.Strategy, x: np.ndarray, batch: int):
    """Instance learning and two rounds of an encoder without batch norm."""
    keras.utils.set_random_seed(5)
    with strategy.scope():
        model = and_tf.AND(mlp(10, 16, 8), len(x), seed=5)
        model.compile(keras.optimizers.SGD(0.03, momentum=0.9, nesterov=True))
    order = np.stack(
        [np.random.default_rng(e).permutation(len(x)) for e in range(EPOCHS)]
    )
    history = model.fit(
        epochs_of(x, order, batch),
        epochs=EPOCHS,
        steps_per_epoch=-(-len(x) // batch),
        callbacks=[and_tf.Curriculum(2, 1, 2)],
        shuffle=False,
        verbose=0,
    )
    return model, history.history["loss"]


def test_two_replicas_are_one_training(rng):
    """With a last batch that does not divide by two."""
    x, _ = blobs(rng, num=115)
    one, losses = train(tf.distribute.get_strategy(), x, 32)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    two, mirrored_losses = train(strategy, x, 32)

    np.testing.assert_allclose(losses, mirrored_losses, atol=1e-5)
    np.testing.assert_allclose(one.bank.rows, two.bank.rows, atol=1e-5)
    np.testing.assert_array_equal(one.neighbours, two.neighbours)
    np.testing.assert_array_equal(one.selected, two.selected)
    for a, b in zip(one.encoder.weights, two.encoder.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)

    for variable in (two.bank.rows, two.neighbours, two.selected):
        first, second = strategy.experimental_local_results(variable.value)
        assert first.device != second.device
        np.testing.assert_array_equal(first, second)
