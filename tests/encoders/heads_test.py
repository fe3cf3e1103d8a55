"""Heads, against their arithmetic in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from and_tf import encoders
from and_tf.encoders import heads
from and_tf.scan.scan_model import trunk_of
from and_tf.utils.errors import InputError
from tests.conftest import unit

F, D = 6, 4


def encoder(head: str) -> keras.Model:
    """An encoder whose weights, statistics and biases are all random."""
    images = keras.Input((8, 8, 3), name="images")
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    features = keras.layers.Dense(F, "relu", name="last")(pooled)
    x = heads.apply(features, head, F if head == "none" else D)
    made = keras.Model(images, x, name="mine")
    rng = np.random.default_rng(1)
    made.set_weights(
        [rng.uniform(0.1, 1.0, w.shape) - 0.3 for w in made.get_weights()]
    )
    if head == "mlp":
        variance = made.get_layer("head_norm").moving_variance
        variance.assign(np.abs(variance))
    return made


def numpy_head(made: keras.Model, features: np.ndarray) -> np.ndarray:
    """Applies a head's weights in float64, without normalising."""
    weights = [
        [np.asarray(w, np.float64) for w in layer.weights]
        for layer in made.layers
        if heads.is_part(layer) and layer.weights
    ]
    x = features.astype(np.float64)
    if len(weights) == 3:
        (kernel,), (scale, offset, mean, variance), _ = weights
        x = (x @ kernel - mean) / np.sqrt(variance + 1e-5) * scale + offset
        x = np.maximum(x, 0)
    if weights:
        kernel, bias = weights[-1]
        x = x @ kernel + bias
    return x


IMAGES = np.random.default_rng(0).integers(0, 9, (5, 8, 8, 3), np.uint8)


@pytest.mark.parametrize("head", heads.HEADS)
def test_embeddings_are_those_of_numpy(head):
    made = encoder(head)
    trunk, head_model = heads.split(made)
    last = made.get_layer("last")
    kernel, bias = map(np.asarray, last.weights)
    features = np.maximum(IMAGES.mean((1, 2)) @ kernel + bias, 0)
    np.testing.assert_allclose(trunk(IMAGES), features, rtol=1e-5, atol=1e-6)
    expected = unit(numpy_head(made, features))
    np.testing.assert_allclose(made(IMAGES), expected, atol=1e-5)
    # The two parts make the whole, with the same variables.
    np.testing.assert_allclose(head_model(trunk(IMAGES)), made(IMAGES), 1e-6)
    parts = {id(v) for v in trunk.variables + head_model.variables}
    assert parts == {id(v) for v in made.variables}
    # SCAN's heads learn from pooled features, whatever head was before.
    for name, rows in (("backbone", features), ("embedding", expected)):
        found = trunk_of(made, name)(IMAGES)
        np.testing.assert_allclose(found, rows, rtol=1e-5, atol=1e-5)


def test_the_last_layer_of_a_head_keeps_its_own_size():
    made = encoders.build("small", 8, 5, width=0.25, head="mlp")
    length = encoders.num_features("small", 8, width=0.25, head="mlp")
    assert heads.features_of(made).shape == (None, length)
    assert made.get_layer("head_hidden").kernel.shape == (length, length)
    assert made.output_shape == (None, 5)


def test_refuses_what_does_not_fit():
    features = keras.Input((F,))
    with pytest.raises(InputError, match="embedding_dim of 6.*Received: 4"):
        heads.apply(features, "none", D)
    with pytest.raises(InputError, match="linear, mlp, .*Received: 'cubic'"):
        heads.apply(features, "cubic", D)
