"""Builds encoders from raw pixels to unit-norm embeddings.

Each is a functional `keras.Model` that normalises its own input, so that it
can be trained, evaluated and exported on the same pixel values.

Examples:
    >>> import and_tf
    >>> encoder = and_tf.encoders.build(
    ...     "resnet18", image_size=32, embedding_dim=16, width=0.25
    ... )
    >>> encoder.output_shape
    (None, 16)
    >>> and_tf.encoders.feature_layers(encoder)
    ('stage1', 'stage2', 'stage3', 'stage4')
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from and_tf.data.preprocessing import IMAGENET, normalisation
from and_tf.encoders import (
    alexnet,
    descriptions,
    efficientnet_lite,
    heads,
    resnet,
    small,
)
from and_tf.encoders.descriptions import Description
from and_tf.encoders.plain_keras import plain
from and_tf.encoders.trunk import check_runs
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason

__all__ = [
    "NAMES",
    "STEMS",
    "build",
    "feature_layers",
    "for_views",
    "last_feature_map",
    "num_features",
    "plain",
    "stem_of",
    "synchronise_batch_norm",
]

NAMES = ("small", "alexnet", *resnet.DEPTHS, *efficientnet_lite.SIZES)
STEMS = ("auto", "cifar", "imagenet")
_ONE_STEM = ("small", *efficientnet_lite.SIZES)
MEAN, STD = IMAGENET
WIDENED = ("small", *resnet.DEPTHS)  # Those that take `features`.
SMALLEST_IMAGE = 8  # Pixels per side.
_LARGEST_CIFAR_IMAGE = 64
_PADDING = (layers.ZeroPadding2D, layers.Cropping2D)


def build(
    name: str,
    image_size: int,
    embedding_dim: int = 128,
    *,
    stem: str = "auto",
    width: float = 1.0,
    features: int = 0,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    head: str = "linear",
    trunk: Description | None = None,
    channels: int = 3,
    pixel_range: Sequence[Sequence[float]] | None = None,
) -> keras.Model:
    """Builds an untrained encoder, named after its backbone.

    `keras.utils.set_random_seed` determines the initial weights. The trunk
    computes in the dtype of the global policy. The normalisation of the input,
    the projection and the normalisation of the embedding are always float32.

    Args:
        name: One of `NAMES`: "small", "alexnet", "resnet18", "resnet50",
            "resnet101", "efficientnet_lite0", "efficientnet_lite1" or
            "efficientnet_lite2"; with `trunk`, any name for people.
        image_size: Side of the images, S, in pixels.
        embedding_dim: D, the length of an embedding.
        stem: "cifar" keeps the first layers at or near full resolution,
            "imagenet" shrinks images at once, "auto" is "cifar" up to 64
            pixels per side, else "imagenet". "small" and the
            EfficientNet-Lites have one stem and take only "auto".
        width: Factor of the trunk's channel counts.
        features: F, the number of pooled features, to which a 1×1 convolution
            behind the last stage brings them. 0 adds none: F is what the
            trunk's last stage has. For "small" and the ResNets.
        mean: The mean of each channel, for pixel values scaled to 0..1;
            ImageNet's by default. The EfficientNet-Lites have a normalisation
            of their own.
        std: The standard deviation of each channel, for pixel values scaled to
            0..1; ImageNet's by default.
        head: What turns pooled features into embeddings: "linear", "mlp" or
            "none", see `heads.apply`.
        trunk: The description of a network from elsewhere, see
            `descriptions.describe`. The stem, the width and the normalisation
            are then those of that network.
        channels: The number of channels of the images, C. `mean` and `std`
            have as many values.
        pixel_range: What pixel values 0 and 255 stand for in files, see
            `data.pixel_format`. It changes no layer: it is here because these
            arguments are the description of an encoder in checkpoints.

    Returns:
        A model from pixel values 0..255, uint8 or float32 [B, S, S, C], to
        float32 [B, D] of unit norm. The last layer is "embedding"; see
        `feature_layers` for the layers before it.

    Raises:
        InputError: If an argument is not one of the values described here.
    """
    del pixel_range
    if trunk is not None:
        return _around(descriptions.rebuild(trunk), head, embedding_dim)
    if channels != 3 and (mean, std) == IMAGENET:
        mean, std = normalisation("", channels)
    _check(name, image_size, embedding_dim, stem, width, features)
    if stem == "auto":
        stem = stem_of(name, image_size)
    images = keras.Input((image_size, image_size, channels), name="images")
    if name in efficientnet_lite.SIZES:
        x = efficientnet_lite.trunk(name, images, width)
    else:
        x = _normalised(images, mean, std)
        if name == "small":
            x = small.trunk(x, width, features)
        elif name == "alexnet":
            x = alexnet.trunk(x, stem, width)
        else:
            x = resnet.trunk(name, x, stem, width, features)
    x = heads.apply(x, head, embedding_dim)
    return keras.Model(images, x, name=name)


def stem_of(name: str, image_size: int) -> str:
    """Returns the stem that "auto" means, "auto" if a network has only one."""
    if name in _ONE_STEM:
        return "auto"
    return "cifar" if image_size <= _LARGEST_CIFAR_IMAGE else "imagenet"


def _around(trunk: keras.Model, head: str, embedding_dim: int) -> keras.Model:
    """Puts a head on a trunk, whose layers stay layers of the encoder."""
    images, features = trunk.inputs[0], trunk.outputs[0]
    if any(map(heads.is_part, trunk.layers)):
        # A layer of a head's name would count as one: make the trunk one layer.
        images = keras.Input(trunk.input_shape[1:], name="images")
        features = trunk(images)
    x = heads.apply(features, head, embedding_dim)
    return keras.Model(images, x, name=trunk.name)


def _normalised(
    images: keras.KerasTensor, mean: Sequence[float], std: Sequence[float]
) -> keras.KerasTensor:
    return layers.Rescaling(
        [1 / (255 * deviation) for deviation in std],
        [
            -centre / deviation
            for centre, deviation in zip(mean, std, strict=True)
        ],
        dtype="float32",
        name="normalise",
    )(images)


def num_features(
    name: str, image_size: int, embedding_dim: int = 128, **arguments: Any
) -> int:
    """Returns F, the number of pooled features of an encoder.

    Args:
        name: See `build`, which takes the same arguments.
        image_size: See `build`.
        embedding_dim: See `build`; F does not depend on it.
        **arguments: See `build`.
    """
    arguments = {**arguments, "head": "linear"}
    built = build(name, image_size, embedding_dim, **arguments)
    return heads.features_of(built).shape[-1]


def for_views(encoder: keras.Model, size: int) -> keras.Model:
    """Returns an encoder with the same layers for images of another size.

    Args:
        encoder: An encoder that `build` made, or any functional model. It
            must not take only one size, as "alexnet", other networks with a
            dense layer behind `Flatten`, and most vision transformers do.
        size: Side of the images, S, in pixels.

    Returns:
        A model from [B, S, S, C] that shares its weights with `encoder`; this
        is `encoder` itself if it already takes that size.

    Raises:
        InputError: If the images are too small, or the encoder does not take
            them.
    """
    if size < SMALLEST_IMAGE:
        raise InputError(
            f"Expected views of {SMALLEST_IMAGE} or more pixels a side. "
            f"Received: {size}."
        )
    if encoder.input_shape[1] == size:
        return encoder
    try:
        views = keras.models.clone_model(
            encoder,
            input_tensors=keras.Input(
                (size, size, encoder.input_shape[-1]), name="views"
            ),
            clone_function=lambda layer: layer,
        )
        check_runs(views)
    except Exception as error:  # The layers may raise anything.
        raise _takes_one_size(encoder, size, reason(error)) from error
    if views.output_shape != encoder.output_shape:
        why = f"its output would be {list(views.output_shape)}"
        raise _takes_one_size(encoder, size, why)
    return views


def _takes_one_size(encoder: keras.Model, size: int, why: str) -> InputError:
    return InputError(
        f"Expected views of {encoder.input_shape[1]} pixels a side for the "
        f"encoder {encoder.name}, which does not take others. Received: "
        f"{size}: {why}. Take views and images of one size."
    )


def synchronise_batch_norm(encoder: keras.Model) -> None:
    """Makes batch norms compute statistics over the images of all replicas.

    Args:
        encoder: Any encoder, changed in place. With one replica the results
            stay the same.
    """
    for layer in encoder._flatten_layers(include_self=False, recursive=True):
        if isinstance(layer, layers.BatchNormalization):
            layer.synchronized = True


def feature_layers(encoder: keras.Model) -> tuple[str, ...]:
    """Returns the names of the layers that output the feature maps.

    Args:
        encoder: An encoder that `build` made, or any functional model.

    Returns:
        The names from input to output. Of an encoder from `build` these are
        "conv1" to "conv5" of AlexNet, after the ReLU and before pooling, or
        "stage1" to the last stage of the other backbones; of another model,
        the last layer of each resolution. The output of each is
        [B, H, W, C].
    """
    names = (layer.name for layer in encoder.layers)
    ours = tuple(n for n in names if re.fullmatch(r"(conv|stage)\d+", n))
    # Others may have one such name too: MobileNet has a "conv1".
    return ours if len(ours) > 1 else _last_of_resolutions(encoder)


def _last_of_resolutions(encoder: keras.Model) -> tuple[str, ...]:
    """Returns the last layer of each resolution, from input to output."""
    found: list[str] = []
    side = 0.0
    first = next((n for n, e in enumerate(encoder.layers) if e.weights), 0)
    for layer in reversed(encoder.layers[first:]):
        if isinstance(layer, (layers.InputLayer, *_PADDING)):
            continue
        shape: tuple = getattr(getattr(layer, "output", None), "shape", ())
        # Smaller maps inside a stage, such as those of squeeze-and-excitation,
        # are no resolutions, and convolutions without padding take off little.
        if len(shape) == 4 and shape[1] and shape[1] >= 1.5 * side:
            found.append(layer.name)
            side = shape[1]
    return tuple(reversed(found))


def last_feature_map(encoder: keras.Model) -> str:
    """Returns the name of the last layer with more than one position.

    Args:
        encoder: An encoder that `build` made, or any functional or sequential
            model. Its `feature_layers` are searched or, if it has none, all
            layers.

    Returns:
        The name of the last layer with an output [B, H, W, C] of H · W > 1.

    Raises:
        InputError: If there is no such layer.
    """
    names = feature_layers(encoder) or [
        layer.name
        for layer in encoder.layers
        if not isinstance(layer, layers.InputLayer)
    ]
    for name in reversed(names):
        shape = getattr(encoder.get_layer(name).output, "shape", ())
        if len(shape) == 4 and shape[1:3] != (1, 1):
            return name
    raise InputError(
        "Expected an encoder with a layer whose output [B, H, W, C] has more "
        f"than one position. Received: {encoder.name} for images of "
        f"{encoder.input_shape[1]} pixels, which has none."
    )


def _check(
    name: str,
    image_size: int,
    embedding_dim: int,
    stem: str,
    width: float,
    features: int,
) -> None:
    stems = ("auto",) if name in _ONE_STEM else STEMS
    wrong = (
        (name not in NAMES, f"a backbone among {', '.join(NAMES)}", name),
        (
            image_size < SMALLEST_IMAGE,
            f"an image_size of {SMALLEST_IMAGE} or more",
            image_size,
        ),
        (embedding_dim < 1, "an embedding_dim of 1 or more", embedding_dim),
        (
            stem not in stems,
            f"a stem among {', '.join(stems)} for the backbone {name}",
            stem,
        ),
        (width <= 0, "a width above 0", width),
        (
            features and name not in WIDENED,
            f"no features for the backbone {name}, which has its own number",
            features,
        ),
        (features < 0, "features of 0 or more", features),
    )
    for is_wrong, expected, received in wrong:
        if is_wrong:
            raise InputError(f"Expected {expected}. Received: {received!r}.")
