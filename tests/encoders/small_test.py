"""The small network, held against arithmetic by hand."""

from __future__ import annotations

import math

import pytest

from and_tf import encoders


@pytest.mark.parametrize(
    "size, dim, features", [(32, 128, 0), (8, 16, 0), (16, 8, 40)]
)
def test_parameters_follow_from_the_layers(size, dim, features):
    def conv_norm(side: int, channels: int, filters: int) -> int:
        return side * side * channels * filters + 2 * filters

    def block(channels: int, filters: int) -> int:
        return (
            conv_norm(3, channels, filters)
            + conv_norm(3, filters, filters)
            + conv_norm(1, channels, filters)
        )

    encoder = encoders.build("small", size, dim, features=features)
    count = sum(math.prod(w.shape) for w in encoder.trainable_weights)
    trunk = conv_norm(4, 3, 32) + block(32, 64) + block(64, 96)
    if features:
        trunk += conv_norm(1, 96, features)
    assert count == trunk + ((features or 96) + 1) * dim


@pytest.mark.parametrize(
    "size, sides", [(32, [8, 4]), (16, [4, 2]), (8, [2, 1]), (20, [5, 3])]
)
@pytest.mark.parametrize(
    "width, channels", [(1.0, [64, 96]), (0.5, [32, 48]), (0.01, [8, 8])]
)
def test_maps_shrink_to_an_eighth(size, sides, width, channels):
    encoder = encoders.build("small", size, width=width)
    names = encoders.feature_layers(encoder)
    assert names == ("stage1", "stage2")
    shapes = [encoder.get_layer(n).output.shape for n in names]
    assert shapes == [(None, side, side, c) for side, c in zip(sides, channels)]
