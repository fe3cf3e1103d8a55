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

from and_tf.data.preprocessing import IMAGENET
from and_tf.encoders import alexnet, heads, resnet, small
from and_tf.encoders.plain_keras import plain
from and_tf.utils.errors import InputError

__all__ = [
    "NAMES",
    "STEMS",
    "build",
    "feature_layers",
    "for_views",
    "last_feature_map",
    "num_features",
    "plain",
    "synchronise_batch_norm",
]

NAMES = ("small", "alexnet", *resnet.DEPTHS)
STEMS = ("auto", "cifar", "imagenet")
MEAN, STD = IMAGENET
SMALLEST_IMAGE = 8  # Pixels per side.
_LARGEST_CIFAR_IMAGE = 64


def build(
    name: str,
    image_size: int,
    embedding_dim: int = 128,
    *,
    stem: str = "auto",
    width: float = 1.0,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    head: str = "linear",
) -> keras.Model:
    """Builds an untrained encoder, named after its backbone.

    `keras.utils.set_random_seed` determines the initial weights. The trunk
    computes in the dtype of the global policy. The normalisation of the input,
    the projection and the normalisation of the embedding are always float32.

    Args:
        name: One of `NAMES`: "small", "alexnet", "resnet18",
            "resnet50" or "resnet101".
        image_size: Side of the images, S, in pixels.
        embedding_dim: D, the length of an embedding.
        stem: "cifar" keeps the first layers at or near full resolution,
            "imagenet" shrinks images at once, "auto" is "cifar" up to 64
            pixels per side, else "imagenet". The backbone "small" has one
            stem and takes only "auto".
        width: Factor of the trunk's channel counts.
        mean: The mean of each channel, for pixel values scaled to 0..1;
            ImageNet's by default.
        std: The standard deviation of each channel, for pixel values scaled to
            0..1; ImageNet's by default.
        head: What turns pooled features into embeddings: "linear", "mlp" or
            "none", see `heads.apply`.

    Returns:
        A model from pixel values 0..255, uint8 or float32 [B, S, S, 3], to
        float32 [B, D] of unit norm. The last layer is "embedding"; see
        `feature_layers` for the layers before it.

    Raises:
        InputError: If an argument is not one of the values described here.
    """
    _check(name, image_size, embedding_dim, stem, width)
    if stem == "auto":
        stem = "cifar" if image_size <= _LARGEST_CIFAR_IMAGE else "imagenet"
    images = keras.Input((image_size, image_size, 3), name="images")
    x = layers.Rescaling(
        [1 / (255 * deviation) for deviation in std],
        [
            -centre / deviation
            for centre, deviation in zip(mean, std, strict=True)
        ],
        dtype="float32",
        name="normalise",
    )(images)
    if name == "small":
        x = small.trunk(x, width)
    elif name == "alexnet":
        x = alexnet.trunk(x, stem, width)
    else:
        x = resnet.trunk(name, x, stem, width)
    x = heads.apply(x, head, embedding_dim)
    return keras.Model(images, x, name=name)


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
        encoder: An encoder that `build` made. It must not be "alexnet", whose
            dense layers take only one size.
        size: Side of the images, S, in pixels.

    Returns:
        A model from [B, S, S, 3] that shares its weights with `encoder`; this
        is `encoder` itself if it already takes that size.

    Raises:
        InputError: If the images are too small.
    """
    if size < SMALLEST_IMAGE:
        raise InputError(
            f"Expected views of {SMALLEST_IMAGE} or more pixels a side. "
            f"Received: {size}."
        )
    if encoder.input_shape[1] == size:
        return encoder
    return keras.models.clone_model(
        encoder,
        input_tensors=keras.Input((size, size, 3), name="views"),
        clone_function=lambda layer: layer,
    )


def synchronise_batch_norm(encoder: keras.Model) -> None:
    """Makes batch norms compute statistics over the images of all replicas.

    Args:
        encoder: Any encoder, changed in place. With one replica the results
            stay the same.
    """
    for layer in encoder.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.synchronized = True


def feature_layers(encoder: keras.Model) -> tuple[str, ...]:
    """Returns the names of the layers that output the feature maps.

    Args:
        encoder: An encoder that `build` made.

    Returns:
        The names from input to output: "conv1" to "conv5" of AlexNet, after
        the ReLU and before pooling, or "stage1" to the last stage of the other
        backbones. The output of each layer is [B, H, W, C].
    """
    names = (layer.name for layer in encoder.layers)
    return tuple(n for n in names if re.fullmatch(r"(conv|stage)\d+", n))


def last_feature_map(encoder: keras.Model) -> str:
    """Returns the name of the last layer with more than one position.

    Args:
        encoder: An encoder that `build` made, whose `feature_layers` are
            searched; or any functional or sequential model, all of whose
            layers are searched.

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
    name: str, image_size: int, embedding_dim: int, stem: str, width: float
) -> None:
    stems = ("auto",) if name == "small" else STEMS
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
    )
    for is_wrong, expected, received in wrong:
        if is_wrong:
            raise InputError(f"Expected {expected}. Received: {received!r}.")
