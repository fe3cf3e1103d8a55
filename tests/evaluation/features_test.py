"""Pooled features, against loops and the encoder's own layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from and_tf import encoders
from and_tf.data.split import in_memory
from and_tf.evaluation.features import (
    Features,
    extractor,
    pooled_side,
    pooling_matrix,
)


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return encoders.build("small", 16, 8)


@pytest.fixture
def split(rng):
    return in_memory("x", rng.integers(0, 256, (30, 16, 16, 3), np.uint8), None)


@pytest.mark.parametrize(
    ("side", "channels", "expected"),
    [(55, 64, 11), (27, 192, 6), (13, 384, 4), (13, 256, 5), (4, 20000, 1),
     (3, 10, 3)],
)  # fmt: skip
def test_layers_are_pooled_to_nine_thousand(side, channels, expected):
    """The first four are AlexNet's."""
    assert pooled_side(side, channels) == expected


@pytest.mark.parametrize(("side", "pooled"), [(7, 3), (8, 4), (5, 5), (16, 11)])
def test_pooling_averages_overlapping_windows(rng, side, pooled):
    row = rng.normal(size=side)
    expected = [
        row[int(np.floor(i * side / pooled)) : int(
            np.ceil((i + 1) * side / pooled)
        )].mean()
        for i in range(pooled)
    ]  # fmt: skip
    np.testing.assert_allclose(
        pooling_matrix(side, pooled) @ row, expected, rtol=1e-5
    )


def test_a_map_is_pooled_in_both_directions(rng):
    """Of more than 9,000 numbers, so that pooling is needed at all."""
    inputs = keras.Input((24, 24, 20))
    maps = keras.layers.Identity(name="conv1")(inputs)
    images = rng.normal(size=(2, 24, 24, 20)).astype(np.float32)
    found = extractor(keras.Model(inputs, maps), "conv1")(images).numpy()
    matrix = pooling_matrix(24, 21)
    expected = [
        [[matrix[i] @ image[..., c] @ matrix[j] for c in range(20)]
         for j in range(21)] for i in range(21) for image in images[:1]
    ]  # fmt: skip
    assert found.shape == (2, 21, 21, 20)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_features_are_the_layers_own(encoder, split):
    model = extractor(encoder, "stage2")
    plain = keras.Model(encoder.input, encoder.get_layer("stage2").output)
    expected = plain(split.images, training=False).numpy().reshape(30, -1)
    for limit in (0, 2**30):  # Computed in each pass, and held.
        features = Features(model, split, 16, limit)
        rows, numbers = zip(*features.batches(), strict=True)
        np.testing.assert_array_equal(np.concatenate(numbers), np.arange(30))
        np.testing.assert_allclose(np.concatenate(rows), expected, atol=1e-6)
        for epoch in (0, 1):
            rows, numbers = zip(*features.shuffled(7, 3, epoch), strict=True)
            order = np.concatenate(numbers)
            assert sorted(order) == list(range(30)) != list(order)
            np.testing.assert_allclose(
                np.concatenate(rows), expected[order], atol=1e-6
            )


@pytest.mark.parametrize("limit", [0, 2**30])
def test_an_order_follows_from_seed_and_epoch(encoder, split, limit):
    features = Features(extractor(encoder, "embedding"), split, 16, limit)

    def order(seed, epoch):
        batches = features.shuffled(8, seed, epoch)
        return np.concatenate([numbers for _, numbers in batches]).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1) != order(1, 1)


def test_the_encoder_stays_as_it_is(encoder, split):
    before = [variable.numpy().tobytes() for variable in encoder.variables]
    for layer in (*encoders.feature_layers(encoder), "embedding"):
        features = Features(extractor(encoder, layer), split, 16)
        assert len(list(features.batches())) == 1
        assert len(list(features.shuffled(8, 0, 0))) == 4
    after = [variable.numpy().tobytes() for variable in encoder.variables]
    assert after == before
