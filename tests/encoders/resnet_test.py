"""ResNets, held against the published counts of parameters."""

from __future__ import annotations

import math

import pytest

from and_tf import encoders

DIM = 128


# torchvision's models with 1,000 classes, and the well-known ResNet18 for
# CIFAR with 10; each less its linear head.
@pytest.mark.parametrize(
    "name, size, published, channels, classes",
    [
        ("resnet18", 224, 11_689_512, 512, 1000),
        ("resnet50", 224, 25_557_032, 2048, 1000),
        ("resnet101", 224, 44_549_160, 2048, 1000),
        ("resnet18", 32, 11_173_962, 512, 10),
    ],
)
def test_has_as_many_parameters_as_published(
    name, size, published, channels, classes
):
    trunk = published - (channels + 1) * classes
    encoder = encoders.build(name, size, DIM)
    count = sum(math.prod(w.shape) for w in encoder.trainable_weights)
    assert count == trunk + (channels + 1) * DIM


@pytest.mark.parametrize(
    "stem, size, sides",
    [
        ("auto", 64, [64, 32, 16, 8]),
        ("auto", 96, [24, 12, 6, 3]),
        ("imagenet", 32, [8, 4, 2, 1]),
        ("imagenet", 65, [17, 9, 5, 3]),  # torch's: (n + 2p − k) // s + 1
    ],
)
def test_stages_halve_the_maps(stem, size, sides):
    encoder = encoders.build("resnet18", size, stem=stem, width=0.125)
    names = encoders.feature_layers(encoder)
    assert names == ("stage1", "stage2", "stage3", "stage4")
    shapes = [encoder.get_layer(n).output.shape for n in names]
    assert shapes == [
        (None, side, side, channels)
        for side, channels in zip(sides, (8, 16, 32, 64))
    ]


def test_bottlenecks_end_with_four_times_the_channels():
    encoder = encoders.build("resnet50", 32, width=0.125)
    names = encoders.feature_layers(encoder)
    channels = [encoder.get_layer(n).output.shape[-1] for n in names]
    assert channels == [32, 64, 128, 256]
