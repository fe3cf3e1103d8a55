"""Chooses which layers of an encoder learn."""

from __future__ import annotations

import re

import keras
from keras import layers

from and_tf.encoders import heads
from and_tf.utils.errors import InputError

ALL, HEAD, LAST_STAGE = "all", "head", "last_stage"


def freeze(
    encoder: keras.Model, train: str = ALL, *, batch_norm: bool = False
) -> None:
    """Freezes the layers of an encoder that are not to learn.

    The head learns with every choice. A frozen batch norm keeps its statistics
    and normalises by them in training too, as Keras' own does.

    Args:
        encoder: An encoder that `build` made, changed in place.
        train: The layers that learn: "all"; "head"; "last_stage", the layers
            after the last but one resolution; or a regular expression that
            matches whole names of layers, such as "stage[34].*".
        batch_norm: Whether all batch norms of the trunk are frozen, those of
            layers that learn included. With few images in a batch, or images
            of another kind, new statistics undo what was learnt before.

    Raises:
        InputError: If `train` is no regular expression or matches no layer.
    """
    chosen = _chosen(encoder, train)
    for layer in encoder.layers:
        if heads.is_part(layer):
            continue
        learns = layer.name in chosen
        if batch_norm and _is_batch_norm(layer):
            learns = False
        layer.trainable = learns
        if learns and batch_norm:
            _freeze_batch_norms(layer)


def _chosen(encoder: keras.Model, train: str) -> set[str]:
    """Returns the names of the trunk's layers that learn."""
    from and_tf.encoders import feature_layers

    names = [layer.name for layer in encoder.layers if not heads.is_part(layer)]
    if train == ALL:
        return set(names)
    if train == HEAD:
        return set()
    if train == LAST_STAGE:
        stages = feature_layers(encoder)
        if len(stages) < 2:
            raise InputError(
                "Expected an encoder of two or more resolutions, with "
                f"--train=last_stage. Received: {encoder.name}, whose layers "
                "are not known one by one. Use --train=all or --train=head."
            )
        return set(names[names.index(stages[-2]) + 1 :])
    try:
        found = {name for name in names if re.fullmatch(train, name)}
    except re.error as error:
        raise InputError(
            "Expected --train to be all, head, last_stage, or a regular "
            f"expression of layers' names. Received: {train!r}: {error}."
        ) from error
    if not found:
        raise InputError(
            "Expected --train to be all, head, last_stage, or a regular "
            f"expression that matches the whole name of a layer. Received: "
            f"{train!r}, which matches none of {encoder.name}, whose layers "
            f"end with {', '.join(names[-5:])}."
        )
    return found


def _is_batch_norm(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, layers.BatchNormalization)


def _freeze_batch_norms(layer: keras.layers.Layer) -> None:
    """Freezes the batch norms in a model or another layer of an encoder."""
    for inner in layer._flatten_layers(include_self=False, recursive=True):
        if _is_batch_norm(inner):
            inner.trainable = False


def trunk_variables(encoder: keras.Model) -> list[keras.Variable]:
    """Returns the variables of an encoder without those of its head."""
    of_head = {
        id(variable)
        for layer in encoder.layers
        if heads.is_part(layer)
        for variable in layer.variables
    }
    return [v for v in encoder.variables if id(v) not in of_head]
