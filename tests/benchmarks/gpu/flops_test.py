"""Operations, against sums that were written out by hand."""

from __future__ import annotations

import keras
import pytest

from and_tf import backbones
from benchmarks.gpu.flops import forward_flops, training_flops

# "small" for 8 pixels and D = 32; a line a layer: places, kernel, channels.
STEM = 2 * 4 * 4 * (4 * 4) * 3 * 32
SMALL = (
    STEM
    + 2 * 2 * 2 * (3 * 3) * 32 * 64
    + 2 * 2 * 2 * (3 * 3) * 64 * 64
    + 2 * 2 * 2 * (1 * 1) * 32 * 64
    + 2 * 1 * 1 * (3 * 3) * 64 * 96
    + 2 * 1 * 1 * (3 * 3) * 96 * 96
    + 2 * 1 * 1 * (1 * 1) * 64 * 96
    + 2 * 96 * 32
)


def test_a_small_encoder():
    encoder = backbones.build("small", image_size=8, embedding_dim=32)
    assert forward_flops(encoder) == SMALL == 802_816
    # Two more products for each one, but no gradient of the images.
    assert training_flops(encoder) == 3 * SMALL - STEM


def test_convolutions_grow_with_the_views_and_the_projection_does_not():
    def count(size: int) -> int:
        encoder = backbones.build("small", image_size=size, embedding_dim=32)
        return forward_flops(encoder) - 2 * 96 * 32

    assert count(32) == 4 * count(16) == 16 * count(8)


def test_a_copy_of_an_encoder_for_smaller_views_has_those_of_a_smaller_one():
    encoder = backbones.build("small", image_size=32, embedding_dim=32)
    views = backbones.for_views(encoder, 16)
    smaller = backbones.build("small", image_size=16, embedding_dim=32)
    copy = keras.models.clone_model(views)
    assert training_flops(copy) == training_flops(smaller)


def test_a_layer_that_is_not_understood_is_not_left_out():
    images = keras.Input((8, 8, 3))
    other = keras.layers.Conv2DTranspose(4, 3)(images)
    with pytest.raises(ValueError, match="Conv2DTranspose"):
        forward_flops(keras.Model(images, other))
