"""Encoders that open without this package."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from and_tf import encoders
from and_tf.utils.errors import InputError
from tests.method.python_api_test import (
    DIM,
    IMAGES,
    LAYERS,
    SIDE,
    Subclassed,
    called,
)

OPENING = """
import sys
import keras, numpy as np
try:
    import and_tf
except ImportError:
    encoder = keras.models.load_model({path!r})
    images = np.load({images!r})
    np.save({found!r}, encoder.predict(images, verbose=0))
else:
    sys.exit("and_tf can be imported: nothing is shown")
"""


def test_a_plain_encoder_opens_without_this_package(tmp_path):
    encoder = encoders.build("small", SIDE, DIM, width=0.25)
    encoder(IMAGES, training=True)  # Moves its statistics.
    nested = keras.Sequential([encoder, LAYERS.ReLU()])
    paths = {n: str(tmp_path / n) for n in ("e.keras", "x.npy", "found.npy")}
    encoders.plain(nested).save(paths["e.keras"])
    with zipfile.ZipFile(paths["e.keras"]) as file:
        assert b"and_tf" not in file.read("config.json")
    np.save(paths["x.npy"], IMAGES)
    script = tmp_path / "opening.py"
    script.write_text(
        OPENING.format(
            path=paths["e.keras"],
            images=paths["x.npy"],
            found=paths["found.npy"],
        )
    )
    # Isolated: neither the checkout nor PYTHONPATH is looked through.
    subprocess.run(
        [sys.executable, "-I", str(script)], check=True, cwd=tmp_path
    )
    np.testing.assert_allclose(
        np.load(paths["found.npy"]),
        nested.predict(IMAGES, verbose=0),
        atol=1e-6,
    )
    with pytest.raises(InputError, match="functional or sequential"):
        encoders.plain(called(Subclassed()))


@keras.saving.register_keras_serializable("elsewhere")
class Backbone(keras.Model):
    """A functional model of a class of its own, as keras-hub has them."""

    def __init__(self, filters: int) -> None:
        images = keras.Input((None, None, 3))
        x = LAYERS.Conv2D(filters, 3, activation="gelu")(images)
        x = LAYERS.GlobalAveragePooling2D()(keras.ops.square(x))
        super().__init__(images, x)
        self.filters = filters

    def get_config(self) -> dict:
        return {"filters": self.filters}


def test_functional_models_of_other_classes_become_keras_own(tmp_path):
    images = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(images, Backbone(4)(images))
    encoders.plain(model).save(tmp_path / "e.keras")
    with zipfile.ZipFile(tmp_path / "e.keras") as file:
        config = file.read("config.json")
    assert b"Backbone" not in config and b"elsewhere" not in config
    opened = keras.models.load_model(tmp_path / "e.keras")
    np.testing.assert_allclose(
        opened.predict(IMAGES, verbose=0),
        model.predict(IMAGES, verbose=0),
        atol=1e-6,
    )


class Doubled(Backbone):
    def call(self, *args, **kwargs):
        return 2 * super().call(*args, **kwargs)


class Own(LAYERS.Layer):
    def call(self, x):
        return x


def initialise(shape, dtype=None):
    return keras.ops.ones(shape, dtype)


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (lambda: Doubled(4), "a Doubled with its own call"),
        (lambda: Own(name="mine"), r"'mine' \(.*plain_test.Own"),
        (lambda: LAYERS.Lambda(lambda x: x + 1), "a lambda"),
        (
            lambda: LAYERS.Conv2D(2, 1, kernel_initializer=initialise),
            "the function initialise",
        ),
    ],
)
def test_what_plain_keras_does_not_know_is_named(layer, named):
    inner = keras.Sequential([keras.Input((SIDE, SIDE, 3)), layer()])
    images = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(images, inner(images))
    with pytest.raises(InputError, match=f"Received one with .*{named}"):
        encoders.plain(model)
