"""Flattens models inside models into one functional model of plain layers."""

from __future__ import annotations

from typing import Any

import keras

from and_tf.utils.errors import InputError


def is_functional(model: keras.layers.Layer) -> bool:
    """Returns whether the layers of a model and their connections are known.

    They are not known of a subclass that defines its own `call`.
    """
    if not (isinstance(model, keras.Model) and getattr(model, "inputs", None)):
        return False
    defines = next(c for c in type(model).__mro__ if "call" in vars(c))
    return defines.__module__.partition(".")[0] == "keras"


def flat(model: keras.Model, source: str) -> keras.Model:
    """Returns a functional model of the same layers, with no model inside.

    Args:
        model: A functional or sequential model.
        source: How an error names it.

    Returns:
        A functional model that shares its layers with `model`. A model inside
        stays where its layers have names that others have too.

    Raises:
        InputError: If the model has several inputs.
    """
    one_input(model, source)
    outputs = model.outputs[0] if len(model.outputs) == 1 else model.outputs
    model = keras.Model(model.inputs[0], outputs, name=model.name)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        # This calls the layers inside one by one, instead of the model.
        inside = is_functional(layer) and len(layer.inputs) == 1
        return (layer.call if inside else layer)(*args, **kwargs)

    while any(map(is_functional, model.layers)):
        try:
            flatter = keras.models.clone_model(
                model, clone_function=lambda layer: layer, call_function=call
            )
        except ValueError:  # Two layers have one name.
            break
        if len(flatter.layers) <= len(model.layers):
            break
        model = flatter
    return model


def one_input(model: keras.Model, source: str) -> None:
    """Checks that a model takes images alone.

    Raises:
        InputError: If it has several inputs, or one that is not
            [B, H, W, 3] of numbers.
    """
    inputs = model.inputs
    if len(inputs) != 1:
        raise InputError(
            f"Expected a model of one input, the images. Received: {source} "
            f"with {len(inputs)}: {', '.join(x.name for x in inputs)}."
        )
    shape = list(inputs[0].shape)
    if (
        len(shape) != 4
        or shape[3] not in (3, None)
        or shape[1] != shape[2]
        or inputs[0].dtype == "string"
    ):
        raise InputError(
            "Expected a model of square RGB images, [B, S, S, 3]. Received: "
            f"{source}, which takes {shape} of {inputs[0].dtype}."
        )
