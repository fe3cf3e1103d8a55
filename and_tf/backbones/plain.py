"""Encoders for those who have Keras and not this package."""

from __future__ import annotations

import keras

from and_tf.backbones.batch_norm import BatchNorm
from and_tf.errors import InputError


def plain(encoder: keras.Model) -> keras.Model:
    """Copies an encoder into Keras' own layers alone.

    Saved as a `.keras` file, the copy opens wherever Keras is, without
    `and_tf`:

        and_tf.backbones.plain(encoder).save("encoder.keras")
        keras.models.load_model("encoder.keras").predict(images)

    It gives the same embeddings. It is meant for inference: in training, the
    moving variances of Keras' batch norm differ a little, see `BatchNorm`.

    Args:
        encoder: Any that `build` made, or another functional or sequential
            model; models within it are copied too.

    Returns:
        A model with weights of its own.

    Raises:
        InputError: If it is a subclassed model, whose layers cannot be seen.
    """
    if not getattr(encoder, "inputs", None):
        raise InputError(
            "Expected a functional or sequential encoder, to copy it layer by "
            f"layer. Received: {type(encoder).__name__} {encoder.name!r}."
        )
    copy = keras.models.clone_model(
        encoder, clone_function=_plain_layer, recursive=True
    )
    copy.set_weights(encoder.get_weights())
    return copy


def _plain_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A new layer like the one given, of Keras' own class."""
    kind = type(layer)
    if isinstance(layer, BatchNorm):
        kind = keras.layers.BatchNormalization
    return kind.from_config(layer.get_config())
