"""Operations against sums that were written out by hand, and cards' peaks."""

from __future__ import annotations

import keras
import pytest

from and_tf import encoders
from benchmarks.gpu.arithmetic import (
    PEAKS,
    forward_flops,
    peak_of,
    share_of_peak,
    training_flops,
)

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
    encoder = encoders.build("small", image_size=8, embedding_dim=32)
    assert forward_flops(encoder) == SMALL == 802_816
    # Two more products for each one, but no gradient of the images.
    assert training_flops(encoder) == 3 * SMALL - STEM


def test_convolutions_grow_with_the_views_and_the_projection_does_not():
    def count(size: int) -> int:
        encoder = encoders.build("small", image_size=size, embedding_dim=32)
        return forward_flops(encoder) - 2 * 96 * 32

    assert count(32) == 4 * count(16) == 16 * count(8)


def test_a_copy_of_an_encoder_for_smaller_views_has_those_of_a_smaller_one():
    encoder = encoders.build("small", image_size=32, embedding_dim=32)
    views = encoders.for_views(encoder, 16)
    smaller = encoders.build("small", image_size=16, embedding_dim=32)
    copy = keras.models.clone_model(views)
    assert training_flops(copy) == training_flops(smaller)


def test_a_layer_that_is_not_understood_is_not_left_out():
    images = keras.Input((8, 8, 3))
    other = keras.layers.Conv2DTranspose(4, 3)(images)
    with pytest.raises(ValueError, match="Conv2DTranspose"):
        forward_flops(keras.Model(images, other))


@pytest.mark.parametrize(
    "name, model",
    [
        ("NVIDIA H100 80GB HBM3", "H100 HBM3"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe"),
        ("A100-PCIE-40GB", "A100 PCIe"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("Tesla T4", "T4"),
        ("Tesla V100-SXM2-16GB", "V100 SXM2"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
    ],
)
def test_names_of_drivers(name, model):
    assert peak_of(name) is PEAKS[model]


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4080 SUPER",
        "NVIDIA A10G",
        "AMD Instinct MI300X",
        "",
    ],
)
def test_another_device_is_not_taken_for_a_known_one(name):
    assert peak_of(name) is None
    assert share_of_peak(name, "float32", 1e12) is None


def test_shares():
    assert share_of_peak("NVIDIA L4", "mixed_bfloat16", 12.1e12) == (
        pytest.approx(0.1)
    )
    assert share_of_peak("NVIDIA L4", "float32", 12e12, 2) == pytest.approx(0.1)
    # It has no bfloat16.
    assert share_of_peak("Tesla T4", "mixed_bfloat16", 1e12) is None
    assert share_of_peak("Tesla T4", "float32", 8.1e11) == pytest.approx(0.1)


def test_tf32_is_half_as_fast_as_bfloat16_on_cards_that_have_it():
    for peak in PEAKS.values():
        if peak.bfloat16:
            assert 1.9 < peak.bfloat16 / peak.float32 < 2.1
