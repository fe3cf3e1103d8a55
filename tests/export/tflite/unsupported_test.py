"""Layers that are refused and others, held against the converter."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from and_tf.utils.errors import InputError
from export import sameness
from export.tflite import conversion
from export.tflite.conversion import convert

SIZE = 8
LAYERS = keras.layers


def network(layer) -> keras.Model:
    """A small encoder, of which a part calls a layer on [B, 4, 4, 8]."""
    keras.utils.set_random_seed(0)
    inner = keras.Input((4, 4, 8))
    part = keras.Model(inner, layer(inner), name="part")
    images = keras.Input((SIZE, SIZE, 3))
    x = LAYERS.Conv2D(8, 3, 2, padding="same")(images)
    x = LAYERS.Dense(4)(LAYERS.Flatten()(part(x)))
    return keras.Model(images, LAYERS.UnitNormalization()(x))


def recurrent(x):
    return LAYERS.GRU(8)(LAYERS.Reshape((16, 8))(x))


def of_many_kinds(x):
    x = LAYERS.Conv2D(8, 3, groups=4, activation="gelu")(x)
    x = LAYERS.Activation("swish")(LAYERS.Resizing(4, 4)(x))
    x = LAYERS.Reshape((16, 8))(x)
    return LAYERS.LayerNormalization()(LAYERS.MultiHeadAttention(2, 4)(x, x))


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (recurrent, "GRU without unroll=True"),
        (LAYERS.Resizing(6, 6, antialias=True), "Resizing with antialias"),
        (
            LAYERS.UpSampling2D(2, interpolation="bicubic"),
            "UpSampling2D by bicubic interpolation",
        ),
        (keras.ops.erf, "keras.ops.erf"),
        (lambda x: keras.ops.roll(x, 1, axis=1), "keras.ops.roll"),
    ],
)
def test_what_is_refused_does_not_convert(layer, what, monkeypatch):
    model = network(layer)
    with pytest.raises(InputError, match="Received one with .*\\(" + what):
        convert(model)
    monkeypatch.setattr(conversion.unsupported, "check", lambda _: None)
    with pytest.raises(InputError, match="operations that TFLite has built in"):
        convert(model)


def test_other_layers_are_taken_in_int8():
    model, images = network(of_many_kinds), sameness.images(SIZE)
    content = convert(model, "int8", [images])
    interpreter = Interpreter(model_content=content)
    run = interpreter.get_signature_runner("serving_default")
    found = run(images=images)["embedding"]
    expected = model.predict(images, verbose=0)
    assert np.sum(found * expected, axis=1).min() > 0.99
