"""Grad-CAM, against the closed form, finite differences and Pillow."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from and_tf import encoders
from and_tf.evaluation import grad_cam
from and_tf.evaluation.grad_cam import GradCam
from tests.conftest import unit


def toy(channels: int = 6, dim: int = 4) -> keras.Model:
    """A user's own encoder: convolution, average pooling, a linear layer."""
    return keras.Sequential(
        [
            keras.Input((5, 5, 3)),
            layers.Conv2D(channels, 1, activation="relu", use_bias=False),
            layers.GlobalAveragePooling2D(),
            layers.Dense(dim, use_bias=False),
        ]
    )


@pytest.fixture
def asked(rng):
    """Images [7, 5, 5, 3] and rows [7, 4]."""
    images = rng.integers(0, 256, (7, 5, 5, 3), np.uint8)
    return images, unit(rng.normal(size=(7, 4))).astype(np.float32)


def linear_map(encoder, images, rows):
    """In NumPy: the weighted sum before the ReLU, and the similarities.

    Of z = W mean(A) and s = z · x̃ / |z|, ∂s/∂z is (x̃ − s x) / |z|.
    """
    kernel, dense = (np.float64(w) for w in encoder.get_weights())
    features = np.maximum(np.float64(images) @ kernel[0, 0], 0)  # [B, h, w, C]
    z = features.mean((1, 2)) @ dense
    norm = np.linalg.norm(z, axis=1, keepdims=True)
    s = (z / norm * rows).sum(1, keepdims=True)
    places = features.shape[1] * features.shape[2]
    weights = ((rows - s * z / norm) / norm) @ dense.T / places  # [B, C]
    return np.einsum("bhwc,bc->bhw", features, weights), s[:, 0]


def test_is_the_closed_form_of_a_linear_head(asked):
    encoder = toy()
    cam = GradCam(encoder)
    maps, similarities = cam(*asked)
    expected, cosines = linear_map(encoder, *asked)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        maps / scale, np.maximum(expected, 0) / scale, atol=1e-5
    )
    np.testing.assert_allclose(similarities, cosines, atol=1e-6)
    # What pulls to the row and what pulls away sum to nought, see the module.
    np.testing.assert_allclose(expected.sum((1, 2)) / scale, 0, atol=1e-9)
    assert (expected < 0).any() and (maps >= 0).all() and maps.any()


def test_weights_follow_the_encoder_and_need_not_be_trainable(asked):
    encoder = toy()
    encoder.trainable = False
    cam = GradCam(encoder)
    cam(*asked)
    encoder.set_weights([-weight for weight in encoder.get_weights()])
    expected, _ = linear_map(encoder, *asked)
    np.testing.assert_allclose(
        cam(*asked)[0], np.maximum(expected, 0), atol=1e-5 * expected.max()
    )


@pytest.mark.parametrize("name", ["small", "alexnet", "resnet18"])
def test_is_what_finite_differences_say(rng, name):
    """A channel's weight: what all its places together move the score by."""
    keras.utils.set_random_seed(3)
    encoder = encoders.build(name, 32, 8, width=0.1)
    images = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    rows = unit(rng.normal(size=(2, 8))).astype(np.float32)
    cam = GradCam(encoder)
    maps, similarities = cam(images, rows)
    output = encoder.get_layer(cam.layer).output
    features = keras.Model(encoder.input, output)(images).numpy()
    rest = keras.Model(output, encoder.output)

    def scores(moved):
        return (rest(moved, training=False).numpy() * rows).sum(1)

    step = 0.02 * features.std()
    weights = np.zeros((2, features.shape[-1]))
    for channel in range(features.shape[-1]):
        shift = np.zeros_like(features)
        shift[..., channel] = step
        change = scores(features + shift) - scores(features - shift)
        weights[:, channel] = change / (2 * step)
    expected = np.maximum(np.einsum("bhwc,bc->bhw", features, weights), 0)
    expected /= features.shape[1] * features.shape[2]
    np.testing.assert_allclose(scores(features), similarities, atol=1e-5)
    assert maps.shape == features.shape[:3] and maps.any()
    np.testing.assert_allclose(maps, expected, atol=0.03 * expected.max())


def test_mass_in_the_centre_and_over_places():
    maps = np.zeros((5, 8, 8), np.float32)
    maps[0] = 3.0  # Even.
    maps[1, 4, 4] = 2.0  # One place, within.
    maps[2, 0, 7] = 0.1  # One place, outside.
    maps[3, :4] = 1.0  # Half of the places; 4 x 2 of the 4 x 8 are within.
    centre = grad_cam.centre_share(maps)
    entropy = grad_cam.normalised_entropy(maps)
    np.testing.assert_allclose(centre, [0.25, 1, 0, 0.25, np.nan])
    np.testing.assert_allclose(
        entropy, [1, 0, 0, np.log(32) / np.log(64), np.nan], atol=1e-12
    )
    assert grad_cam.normalised_entropy(maps[:0]).shape == (0,)
    assert grad_cam.centre_share(maps[:0]).shape == (0,)
    # Cells that the square cuts count in part.
    even = np.ones((1, 5, 5), np.float32)
    np.testing.assert_allclose(grad_cam.centre_share(even), 0.25)


def test_enlarges_as_pillow_does(rng):
    maps = rng.random((2, 3, 4), np.float32)
    expected = [
        np.asarray(
            Image.fromarray(m).resize((24, 24), Image.Resampling.BILINEAR)
        )
        for m in maps
    ]
    np.testing.assert_allclose(grad_cam.enlarge(maps, 24), expected, atol=1e-5)
