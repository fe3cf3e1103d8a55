"""Convolution and batch norm in torch's conventions."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf.encoders import blocks as module
from and_tf.encoders.blocks import conv_norm, scaled


def _ones_summed(zeros: int | None) -> np.ndarray:
    """A 3×3 kernel of ones with stride 2 over a 4×4 image of ones."""
    x = keras.Input((4, 4, 1))
    model = keras.Model(x, conv_norm(x, 1, 3, 2, name="c", zeros=zeros))
    layer = model.get_layer("c_conv")
    layer.set_weights([np.ones((3, 3, 1, 1))])
    sums = keras.Model(x, layer.output)(np.ones((1, 4, 4, 1)))
    return np.squeeze(sums)


def test_zeros_pad_both_sides_as_torch_does():
    np.testing.assert_array_equal(_ones_summed(1), [[4, 6], [6, 9]])


def test_without_zeros_keras_pads_the_end():
    np.testing.assert_array_equal(_ones_summed(None), [[9, 6], [6, 4]])


def test_kernels_start_uniform_within_the_root_of_fan_in():
    x = keras.Input((8, 8, 16))
    model = keras.Model(x, conv_norm(x, 64, 3, name="c"))
    kernel = model.get_layer("c_conv").kernel.numpy()
    bound = 1 / np.sqrt(3 * 3 * 16)
    assert 0.99 * bound < np.abs(kernel).max() <= bound
    assert np.std(kernel) == pytest.approx(bound / np.sqrt(3), rel=0.02)


@pytest.mark.parametrize("activation", [True, False])
def test_training_output_is_normalised(activation):
    x = keras.Input((6, 6, 2))
    y = conv_norm(x, 8, 3, name="c", activation=activation)
    assert keras.Model(x, y).layers[-1].name == "c"
    images = np.random.default_rng(0).normal(size=(32, 6, 6, 2))
    out = np.asarray(keras.Model(x, y)(images, training=True))
    if activation:
        assert out.min() == 0
    else:
        np.testing.assert_allclose(out.mean((0, 1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(out.std((0, 1, 2)), 1, atol=1e-3)


def test_moving_average_has_torchs_momentum():
    x = keras.Input((2, 2, 1))
    model = keras.Model(x, conv_norm(x, 1, 1, name="c"))
    model.get_layer("c_conv").set_weights([np.ones((1, 1, 1, 1))])
    model(np.full((1, 2, 2, 1), 5.0), training=True)
    norm = model.get_layer("c_norm")
    np.testing.assert_allclose(norm.moving_mean, [0.1 * 5.0], 1e-6)


@pytest.mark.parametrize(
    "filters, width, expected",
    [(64, 1.0, 64), (64, 0.25, 16), (96, 0.3, 32), (32, 0.01, 8)],
)
def test_scaled_counts_are_multiples_of_eight(filters, width, expected):
    assert scaled(filters, width) == expected


@pytest.mark.parametrize("zeros", [None, 0])
@pytest.mark.parametrize("side", [1, 6, 7])
def test_a_sliced_1x1_convolution_is_that_of_tensorflow(
    rng, side, zeros, monkeypatch
):
    # With 16 channels in, TensorFlow's own can be trusted: see SAFE_CHANNELS.
    monkeypatch.setattr(module, "SAFE_CHANNELS", 17)
    images = tf.constant(rng.normal(size=(4, side, side, 16)), tf.float32)
    x = keras.Input(images.shape[1:])
    model = keras.Model(x, conv_norm(x, 5, 1, 2, name="c", zeros=zeros))
    layer = model.get_layer("c_conv")
    assert layer.kernel.shape == (1, 1, 16, 5)
    ours = keras.Model(x, layer.output)
    kernel = layer.kernel.value
    results = []
    for convolve in (ours, lambda x: tf.nn.conv2d(x, kernel, 2, "SAME")):
        with tf.GradientTape() as tape:
            tape.watch(images)
            y = convolve(images)
            loss = tf.reduce_sum(y**3)
        results.append((y, *tape.gradient(loss, [images, kernel])))
    for own, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-5)
