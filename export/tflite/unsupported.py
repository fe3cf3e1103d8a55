"""Names the layers of an encoder that TFLite cannot compute.

The converter takes minutes for a large network, and then names TensorFlow's
operation and not the layer that made it. Each kind of layer here was tried in a
small network with TensorFlow 2.21 and does not convert in any mode. Some
hundred kinds that are not here, and networks of twelve families of
keras.applications, convert to int8, and LiteRT 2.3 runs them. No kind was found
that converts in float32 only: what has no int8 kernel, such as ELU, stays in
float32 between two int8 layers. Layers that compute by operations of their own
are not seen through; what the converter says of them is passed on.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras

from and_tf.utils.errors import InputError

# Operations between layers, such as `keras.ops.erf(x)`, by their classes.
_OPERATIONS = {"Arctan", "Cosh", "Cumprod", "Erf", "FFT", "Median", "Roll"}
_PLAIN_RESIZES = ("nearest", "bilinear")
_NAMED = 3  # A message names at most this many layers.


def check(encoder: keras.Model) -> None:
    """Refuses an encoder with layers that TFLite cannot compute.

    Args:
        encoder: A functional or sequential model; models inside it are
            searched too. Of another model nothing is known beforehand.

    Raises:
        InputError: If there are such layers. The message names them.
    """
    found = list(named(encoder))
    if found:
        more = ", …" if len(found) > _NAMED else ""
        raise InputError(
            "Expected an encoder of layers that TFLite has built in. Received "
            f"one with {', '.join(found[:_NAMED])}{more}. Use "
            "export.saved_model, which takes every layer."
        )


def named(encoder: keras.Model) -> Iterator[str]:
    """Yields each layer that TFLite cannot compute, and what it is.

    Args:
        encoder: As for `check`.
    """
    for layer in getattr(encoder, "operations", encoder.layers):
        if isinstance(layer, keras.Model):
            yield from named(layer)
            continue
        for find in (_recurrent, _resizing, _operation):
            if what := find(layer):
                yield f"{layer.name!r} ({what})"


def _recurrent(layer: keras.Operation) -> str:
    """A loop keeps its steps in a list, which is no tensor of TFLite's."""
    if isinstance(layer, keras.layers.Bidirectional):
        layer = layer.forward_layer
    # ConvLSTM is a kind of RNN as well. Unrolled, nothing is a loop.
    if isinstance(layer, keras.layers.RNN) and not layer.unroll:
        return f"{type(layer).__name__} without unroll=True"
    return ""


def _resizing(layer: keras.Operation) -> str:
    interpolation = getattr(layer, "interpolation", "")
    if isinstance(layer, keras.layers.Resizing) and layer.antialias:
        return "Resizing with antialias"
    if (
        isinstance(layer, keras.layers.Resizing | keras.layers.UpSampling2D)
        and interpolation not in _PLAIN_RESIZES
    ):
        return f"{type(layer).__name__} by {interpolation} interpolation"
    return ""


def _operation(layer: keras.Operation) -> str:
    name = type(layer).__name__
    if isinstance(layer, keras.layers.Layer) or name not in _OPERATIONS:
        return ""
    return f"keras.ops.{name.lower()}"
