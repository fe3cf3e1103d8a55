"""Small models of several kinds, to make trunks of."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

SIDE = 8
IMAGES = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)


def classifier(image_size: int | None = SIDE) -> keras.Model:
    """Builds a functional model, whose norm has moved, with a softmax."""
    images = keras.Input((image_size, image_size, 3), name="pixels")
    x = layers.Conv2D(4, 3, name="normalise")(images)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="map")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, layers.Dense(2, "softmax")(x), name="mine")
    moved = np.random.default_rng(2).uniform(0.5, 1.5, (4, 4))
    model.get_layer("norm").set_weights(list(moved))
    return model


def broken() -> keras.Model:
    """Fails, as functions of users do."""
    raise RuntimeError("no luck.\nAt all")


def text(image_size: int) -> str:
    """Returns no model."""
    return f"a text of {image_size}"


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """A model whose layers Keras does not know the connections of."""

    def __init__(self, units: int = 3, **others: object) -> None:
        super().__init__(**others)
        self.units = units
        self.flatten, self.dense = layers.Flatten(), layers.Dense(units)

    def call(self, images: object) -> object:
        return self.dense(self.flatten(images))
