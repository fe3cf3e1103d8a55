"""Builds the head of an encoder: from pooled features to an embedding."""

from __future__ import annotations

import keras
from keras import layers

from and_tf.encoders.blocks import INITIALISER, BatchNorm
from and_tf.utils.errors import InputError

HEADS = ("linear", "mlp", "whitened", "none")
EMBEDDING = "embedding"  # The layer that normalises; its output is the end.
_HIDDEN, _NORM, _RELU = "head_hidden", "head_norm", "head_relu"
PROJECTION = "projection"
_NAMES = (_HIDDEN, _NORM, _RELU, PROJECTION, EMBEDDING)


def apply(
    features: keras.KerasTensor, head: str, embedding_dim: int
) -> keras.KerasTensor:
    """Computes embeddings of unit norm from pooled features.

    "linear" and "whitened" are one dense layer; the latter gets its weights
    from the training images' features, see `whitening.fit_whitening`. "mlp" is
    a dense layer as wide as the features, batch norm, ReLU and a dense layer,
    as in SimCLR. "none" takes the features themselves.

    Args:
        features: float [B, F].
        head: One of `HEADS`.
        embedding_dim: D; with "none" it must be F.

    Returns:
        float32 [B, D], the output of the layer "embedding".

    Raises:
        InputError: If the head is unknown, or D does not fit.
    """
    length = features.shape[-1]
    if head not in HEADS:
        raise InputError(
            f"Expected a head among {', '.join(HEADS)}. Received: {head!r}."
        )
    if head == "none" and embedding_dim != length:
        raise InputError(
            f"Expected an embedding_dim of {length}, the encoder's number of "
            f"features, with head='none'. Received: {embedding_dim}."
        )
    x = features
    if head == "mlp":
        x = layers.Dense(
            length,
            use_bias=False,
            kernel_initializer=INITIALISER,
            dtype="float32",
            name=_HIDDEN,
        )(x)
        x = BatchNorm(momentum=0.9, epsilon=1e-5, dtype="float32", name=_NORM)(
            x
        )
        x = layers.ReLU(dtype="float32", name=_RELU)(x)
    if head != "none":
        x = layers.Dense(
            embedding_dim,
            kernel_initializer=INITIALISER,
            dtype="float32",
            name=PROJECTION,
        )(x)
    return layers.UnitNormalization(dtype="float32", name=EMBEDDING)(x)


def is_part(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer of an encoder belongs to its head."""
    return layer.name in _NAMES


def features_of(encoder: keras.Model) -> keras.KerasTensor:
    """Returns the pooled features of an encoder, symbolic float [B, F]."""
    return next(layer for layer in encoder.layers if is_part(layer)).input


def freeze(encoder: keras.Model) -> None:
    """Keeps the layers of an encoder's head as they are in training."""
    for layer in filter(is_part, encoder.layers):
        layer.trainable = False


def split(encoder: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Splits an encoder into its trunk and its head, which share its weights.

    Args:
        encoder: An encoder that `build` made.

    Returns:
        (a model from images [B, S, S, 3] to features [B, F], and one from
        features to embeddings [B, D]).
    """
    features = features_of(encoder)
    trunk = keras.Model(encoder.input, features, name=f"{encoder.name}_trunk")
    x = inputs = keras.Input((features.shape[-1],), name="features")
    for layer in filter(is_part, encoder.layers):
        x = layer(x)
    return trunk, keras.Model(inputs, x, name="head")
