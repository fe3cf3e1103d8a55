"""Makes a trunk of any Keras model that takes images.

A trunk is a `keras.Model` from pixel values 0..255, uint8 or float32
[B, S, S, 3], to features float32 [B, F]. What the pixel values are turned into
is inside. If the model is functional, the trunk has its layers without models
inside models, so that layers can be frozen, shared and exported one by one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from and_tf.encoders.flat import flat, is_functional
from and_tf.encoders.pixels import Pixels, normalise
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason

Pool = Callable[[keras.KerasTensor, str, str], keras.KerasTensor]


def image_side(model: keras.Model, image_size: int | None, source: str) -> int:
    """Returns S, the side of a trunk's images in pixels.

    Args:
        model: A model with inputs.
        image_size: What the user gave; None takes the model's own size.
        source: How an error names the model.

    Raises:
        InputError: If neither is known.
    """
    inputs = getattr(model, "inputs", None)  # None if it is subclassed.
    size = image_size or (inputs and inputs[0].shape[1])
    if not size:
        raise InputError(
            f"Expected an image_size, as {source} takes images of any size."
        )
    return int(size)


def pooled(
    output: keras.KerasTensor, source: str, name: str = "pool"
) -> keras.KerasTensor:
    """Averages features over positions, if there are any.

    Args:
        output: symbolic [B, F] or [B, H, W, F].
        source: How an error names the model.
        name: The name of the layer that averages.

    Returns:
        [B, F].

    Raises:
        InputError: If the output has another shape.
    """
    if len(output.shape) == 4 and output.shape[3]:
        return layers.GlobalAveragePooling2D(name=name)(output)
    if len(output.shape) != 2 or not output.shape[1]:
        raise InputError(
            "Expected a model whose output is [B, F] or [B, H, W, F], the "
            f"features of images. Received: {source}, whose output is "
            f"{list(output.shape)}. Name a layer with such an output by "
            "FILE.keras@LAYER."
        )
    return output


def from_model(
    model: keras.Model,
    *,
    source: str,
    pixels: Pixels,
    image_size: int | None = None,
    layer: str = "",
    skip: tuple[type, ...] = (),
    pool: Pool = pooled,
) -> keras.Model:
    """Makes a trunk of a model, with its own copy of the weights.

    Args:
        model: A model from images to features or feature maps. The layers of
            a subclassed model are not known, and it becomes one layer.
        source: How errors name the model.
        pixels: What the model expects of pixel values.
        image_size: S in pixels. None takes the model's own.
        layer: The layer whose output is taken; "" takes the model's output.
        skip: Classes of layers that are left out.
        pool: Turns the output into [B, F], with the arguments of `pooled`.

    Returns:
        The trunk, named after the model.

    Raises:
        InputError: If the model has several inputs or outputs, does not take
            or give the right shapes, has no such layer, or does not take
            images of that size.
    """
    if isinstance(model, keras.Sequential) and not model.built and image_size:
        model.build((None, image_size, image_size, 3))
    if not is_functional(model):
        return _around(model, source, pixels, image_size, layer, pool)
    whole = flat(model, source)
    if layer:
        whole = _cut(whole, layer, source)
    elif len(whole.outputs) != 1:
        raise _several(source, [str(x) for x in whole.output_names])
    side = image_side(whole, image_size, source)
    copy = _copied(whole, side, pixels, skip, source)
    return _ended(copy, source, pool)


def check_runs(model: keras.Model) -> None:
    """Raises what a model's layers raise for images of its size.

    Keras' own layers have raised it when they were connected. Others, such as
    those of keras-hub's vision transformers, may promise an output for any
    size. They are traced here, with all shapes known.
    """
    own = ("keras.", "and_tf.encoders.blocks")
    modules = {type(layer).__module__ for layer in model.layers}
    if not all(name.startswith(own) for name in modules):
        images = tf.TensorSpec((2, *model.input_shape[1:]))
        tf.function(model).get_concrete_function(images)


def _copied(
    model: keras.Model,
    side: int,
    pixels: Pixels,
    skip: tuple[type, ...],
    source: str,
) -> keras.Model:
    """Copies a flat model, with the normalisation in front."""
    images = keras.Input((side, side, 3), name=_free("images", model))
    ready = normalise(images, pixels, _free("normalise", model))

    def call(new: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = keras.tree.map_structure(
            lambda x: ready if x is images else x, (args, kwargs)
        )
        return args[0] if isinstance(new, skip) else new(*args, **kwargs)

    try:
        copy = keras.models.clone_model(
            model,
            input_tensors=images,
            clone_function=_copied_layer,
            call_function=call,
        )
        _copy_weights(model, copy)
        check_runs(copy)
    except Exception as error:  # The layers may raise anything.
        raise _does_not_take(source, side, error) from error
    return copy


def _copied_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Makes a new layer of the same config.

    An adapted `Normalization` becomes one of constants: Keras computes with
    copies of its weights, which an assignment to the weights does not change.
    A layer whose config is no argument of its class, as of keras-hub's vision
    transformers, is taken itself. Its `output` is then that of its first call,
    outside of the trunk.
    """
    try:
        # A config that Keras made of the constructor's arguments lacks a name.
        config = {"name": layer.name, **layer.get_config()}
        if isinstance(layer, layers.Normalization) and layer.weights:
            mean, variance, *_ = layer.get_weights()
            config |= {"mean": mean.tolist(), "variance": variance.tolist()}
        return type(layer).from_config(config)
    except Exception:  # Any error of the user's or a package's code.
        return layer


def _copy_weights(model: keras.Model, copy: keras.Model) -> None:
    for layer in copy.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())


def _cut(model: keras.Model, layer: str, source: str) -> keras.Model:
    """Returns a flat model that ends with one of its layers."""
    names = [each.name for each in model.layers]
    if layer not in names:
        near = difflib.get_close_matches(layer, names, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(
            f"Expected a layer of {source}, whose last layers are "
            f"{', '.join(names[-5:])}. Received: {layer!r}.{hint}"
        )
    # A layer's `output` is that of its first call, which of a layer that was
    # in a model inside is in that model. A copy has been called only here.
    copy = keras.models.clone_model(model, clone_function=_copied_layer)
    _copy_weights(model, copy)
    return keras.Model(
        copy.inputs[0], copy.get_layer(layer).output, name=model.name
    )


def _around(
    model: keras.Model,
    source: str,
    pixels: Pixels,
    image_size: int | None,
    layer: str,
    pool: Pool,
) -> keras.Model:
    """Makes a trunk with a subclassed model as one layer."""
    if layer:
        raise InputError(
            f"Expected a functional or sequential model, to take the layer "
            f"{layer!r} of. Received: {source}, a {type(model).__name__} "
            "whose layers are not known. Name no layer."
        )
    side = image_side(model, image_size, source)
    images = keras.Input((side, side, 3), name="images")
    try:
        output = model(normalise(images, pixels))
    except Exception as error:  # The user's own `call` may raise anything.
        raise _does_not_take(source, side, error) from error
    found = keras.tree.flatten(output)
    if len(found) != 1:
        raise _several(source, [str(list(x.shape)) for x in found])
    whole = keras.Model(images, found[0], name=model.name)
    return _ended(whole, source, pool)


def _ended(model: keras.Model, source: str, pool: Pool) -> keras.Model:
    """Pools the output, and makes it float32."""
    features = pool(model.outputs[0], source, _free("pool", model))
    if features.dtype != "float32":
        features = layers.Activation(
            "linear", dtype="float32", name=_free("features", model)
        )(features)
    return keras.Model(model.inputs[0], features, name=model.name)


def _several(source: str, outputs: list[str]) -> InputError:
    return InputError(
        f"Expected a model of one output, the features. Received: {source} "
        f"with {len(outputs)}: {', '.join(outputs)}. Of a file, name the "
        "layer to take by FILE.keras@LAYER."
    )


def _does_not_take(source: str, side: int, error: Exception) -> InputError:
    return InputError(
        f"Expected a model that takes images of {side}×{side} pixels. "
        f"Received: {source}: {reason(error)}. Give the image_size that it was "
        "made for."
    )


def _free(name: str, model: keras.Model) -> str:
    """Returns a name for a new layer that no layer of a model has."""
    taken = [
        layer.name
        for layer in model.layers
        if not isinstance(layer, layers.InputLayer)  # It is replaced.
    ]
    while name in taken:
        name = f"trunk_{name}"
    return name
