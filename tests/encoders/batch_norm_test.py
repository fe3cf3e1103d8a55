"""Batch norm by one operation, held against the formulas and against Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf.encoders.blocks import BatchNorm

OPTIONS = {"momentum": 0.9, "epsilon": 1e-5}
SHAPE = (8, 5, 6, 4)


def _layer(kind: type, shape: tuple[int, ...]) -> keras.layers.Layer:
    layer = kind(**OPTIONS)
    layer.build((None, *shape[1:]))
    rng = np.random.default_rng(1)
    layer.gamma.assign(rng.normal(1, 0.3, shape[-1]))
    layer.beta.assign(rng.normal(0, 0.5, shape[-1]))
    return layer


def _trained(layer: keras.layers.Layer, x: np.ndarray) -> list[np.ndarray]:
    """Outputs and gradients of a training step's pass."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 3)
    sources = [x, layer.gamma.value, layer.beta.value]
    return [np.asarray(a) for a in (y, *tape.gradient(loss, sources))]


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(2, 3, SHAPE).astype(np.float32)


def test_outputs_and_gradients_are_those_of_keras(x):
    ours = _trained(_layer(BatchNorm, SHAPE), x)
    keras_own = _trained(_layer(keras.layers.BatchNormalization, SHAPE), x)
    for own, theirs in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-3)


def test_moving_statistics_are_those_of_torch(x):
    layer = _layer(BatchNorm, SHAPE)
    _trained(layer, x)
    places = x.reshape(-1, SHAPE[-1]).astype(np.float64)
    np.testing.assert_allclose(
        layer.moving_mean, 0.1 * places.mean(0), rtol=1e-5
    )
    np.testing.assert_allclose(
        layer.moving_variance, 0.9 + 0.1 * places.var(0, ddof=1), rtol=1e-5
    )


def test_frozen_it_uses_and_keeps_its_moving_statistics(x):
    layer = _layer(BatchNorm, SHAPE)
    layer.moving_mean.assign([1, 2, 3, 4])
    layer.trainable = False
    outputs = layer(x, training=True)
    gamma, beta = layer.gamma.numpy(), layer.beta.numpy()
    expected = gamma * (x - [1, 2, 3, 4]) / np.sqrt(1 + 1e-5) + beta
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, [1, 2, 3, 4])
    np.testing.assert_array_equal(layer.moving_variance, np.ones(4))


def test_evaluation_uses_the_moving_statistics(x):
    layer = _layer(BatchNorm, SHAPE)
    _trained(layer, x)
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    expected = expected * layer.gamma.numpy() + layer.beta.numpy()
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, mean)


@pytest.mark.parametrize("changes", ["no places", "synchronised"])
def test_keras_does_what_the_operation_cannot(x, changes):
    x = x[:, 0, 0] if changes == "no places" else x
    ours = _layer(BatchNorm, x.shape)
    theirs = _layer(keras.layers.BatchNormalization, x.shape)
    ours.synchronized = changes == "synchronised"
    for a, b in zip(_trained(ours, x), _trained(theirs, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, theirs.moving_variance)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_keeps_statistics_in_float32(x, dtype):
    layer = BatchNorm(**OPTIONS, dtype=f"mixed_{dtype}")
    y = layer(tf.cast(x, dtype), training=True)
    assert y.dtype == dtype
    assert layer.moving_mean.dtype == "float32"
    exact = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(tf.cast(y, tf.float32), exact, atol=0.05)
