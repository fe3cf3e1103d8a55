"""AlexNet, held against torchvision's count of parameters."""

from __future__ import annotations

import math

import pytest

from and_tf import encoders
from and_tf.utils.errors import InputError

TORCHVISION = 61_100_840  # with 1,000 classes


def test_has_as_many_parameters_as_torchvision():
    encoder = encoders.build("alexnet", 224, 128)
    sizes = {
        weight.path: math.prod(weight.shape)
        for weight in encoder.trainable_weights
    }
    # Where torchvision has a bias, a batch norm has an offset and a scale.
    scales = sum(size for path, size in sizes.items() if "gamma" in path)
    assert scales == 64 + 192 + 384 + 256 + 256 + 4096 + 4096
    trunk = TORCHVISION - 4097 * 1000
    assert sum(sizes.values()) == trunk + scales + 4097 * 128


@pytest.mark.parametrize(
    "stem, size, sides",
    [
        ("auto", 224, [55, 27, 13, 13, 13]),
        ("imagenet", 63, [15, 7, 3, 3, 3]),
        ("auto", 32, [32, 16, 8, 8, 8]),
        ("auto", 8, [8, 4, 2, 2, 2]),
    ],
)
def test_maps_of_the_five_convolutions(stem, size, sides):
    encoder = encoders.build("alexnet", size, stem=stem, width=0.125)
    names = encoders.feature_layers(encoder)
    assert names == ("conv1", "conv2", "conv3", "conv4", "conv5")
    shapes = [encoder.get_layer(n).output.shape for n in names]
    assert shapes == [
        (None, side, side, channels)
        for side, channels in zip(sides, (8, 24, 48, 32, 32))
    ]


def test_too_small_for_the_imagenet_layout():
    with pytest.raises(InputError, match="63 or more.*Received: 62"):
        encoders.build("alexnet", 62, stem="imagenet")
