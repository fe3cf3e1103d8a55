"""Copies an encoder into Keras' own layers.

The copy is for programs that have Keras but not this package, nor any other
that the encoder's layers are from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from and_tf.encoders.blocks import BatchNorm
from and_tf.utils.errors import InputError

# Keras' own layers that compute outside of what a .keras file holds.
_OUTSIDE = {"FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"}
_NAMED = 3  # A message names at most this many layers.


def plain(encoder: keras.Model) -> keras.Model:
    """Copies an encoder into a model of Keras' own layers only.

    Saved as a `.keras` file, the copy can be loaded by Keras without `and_tf`:

        and_tf.encoders.plain(encoder).save("encoder.keras")
        keras.models.load_model("encoder.keras").predict(images)

    It computes the same embeddings. Trained further, it differs a little: the
    moving variances of Keras' batch norm are biased; see `BatchNorm`.

    Args:
        encoder: An encoder that `build` made, or another functional or
            sequential model. Models inside it are copied too. Functional
            models of a class of their own, as in keras-hub, become Keras' own.

    Returns:
        A model with its own copy of the weights.

    Raises:
        InputError: If the encoder is a subclassed model, whose layers are
            unknown, or has layers that are not Keras' own, or that compute
            outside of Keras. The message names them.
    """
    if not _is_graph(encoder):
        raise InputError(
            "Expected a functional or sequential encoder, to copy it layer by "
            f"layer. Received: {type(encoder).__name__} {encoder.name!r}."
        )
    foreign = list(dict.fromkeys(_foreign(encoder)))
    if foreign:
        more = ", …" if len(foreign) > _NAMED else ""
        raise InputError(
            "Expected an encoder of Keras' own layers, to copy it for programs "
            "that have Keras alone. Received one with "
            f"{', '.join(foreign[:_NAMED])}{more}. A SavedModel, which "
            "export.saved_model writes, can hold such layers."
        )
    copy = keras.models.clone_model(
        encoder, clone_function=_plain_layer, recursive=True
    )
    copy.set_weights(encoder.get_weights())
    return copy


def _plain_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Makes a new layer with the same config, of Keras' own class."""
    kind = type(layer)
    if isinstance(layer, BatchNorm):
        kind = keras.layers.BatchNormalization
    return kind.from_config(layer.get_config())


def _is_graph(layer: keras.layers.Layer) -> bool:
    """Returns whether a model is functional or sequential."""
    if isinstance(layer, keras.Sequential):
        return bool(layer.inputs)
    return isinstance(layer, keras.Function)


def _foreign(model: keras.Model) -> Iterator[str]:
    """Yields each layer that plain Keras cannot load, with the reason."""
    if isinstance(model, keras.Function) and _has_own_call(model):
        yield f"{model.name!r} (a {type(model).__name__} with its own call)"
    for layer in getattr(model, "operations", model.layers):
        if _is_graph(layer):
            yield from _foreign(layer)
            continue
        name = type(layer).__name__
        if isinstance(layer, keras.Model):
            yield f"{layer.name!r} (a subclassed model, {name})"
        elif name in _OUTSIDE:
            yield f"{layer.name!r} (a {name}, which keeps no layers)"
        elif type(layer) is not BatchNorm:
            for part in _foreign_parts(layer):
                yield f"{layer.name!r} ({part})"


def _has_own_call(model: keras.Model) -> bool:
    """Returns whether a functional model computes other than its graph."""
    functional = type(keras.Model(model.inputs, model.outputs))
    return type(model).call is not functional.call


def _foreign_parts(layer: keras.layers.Layer) -> Iterator[str]:
    """Yields what of a layer is not Keras': its class, or a function in it."""
    try:
        config = keras.saving.serialize_keras_object(layer)
    except NotImplementedError:  # It has no config, which says what it is.
        yield f"{type(layer).__module__}.{type(layer).__qualname__}"
        return
    yield from _foreign_objects(config)


def _foreign_objects(config: Any) -> Iterator[str]:
    """Yields the classes and functions in a config that are not Keras'."""
    if isinstance(config, dict):
        kind = config.get("class_name")
        if kind == "__lambda__":
            yield "a lambda"
        elif kind == "function":
            yield f"the function {config['config']}"
        elif kind and not _is_keras(config.get("module")):
            yield f"{config['module']}.{kind}"
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from _foreign_objects(value)


def _is_keras(module: str | None) -> bool:
    """Returns whether plain Keras has the classes of a module."""
    # Tensors, slices and the like have no module, or Python's own.
    return module in (None, "builtins") or module.partition(".")[0] == "keras"
