"""Models in files: what is saved, loaded and exported is the same model."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf import encoders
from and_tf.augmentation import StrongConfig, ViewConfig
from and_tf.pretexts.rotation import Rotation
from and_tf.pretexts.supervised import Supervised
from tests.conftest import unit
from tests.method.python_api_test import (
    DIM,
    IMAGES,
    NUMBERS,
    SIDE,
    N,
    Subclassed,
    assert_equal,
    batches,
    called,
    fit,
    functional,
    model,
    values,
)


@pytest.mark.parametrize("make", [functional, lambda: called(Subclassed())])
def test_a_loaded_model_goes_on_to_the_same_bits(make, tmp_path):
    """Stopped in a round, whose neighbours it must not search again."""
    whole, path = model(make), tmp_path / "model.keras"
    fit(whole, epochs=4)
    fit(model(make), epochs=3, callbacks=[keep(path)])
    again = keras.models.load_model(path)
    assert type(again) is and_tf.AND and again.optimizer.iterations == 9
    fit(again, epochs=4, initial_epoch=3)
    assert_equal(values(again), values(whole))


def keep(path: pathlib.Path) -> keras.callbacks.Callback:
    return keras.callbacks.ModelCheckpoint(path)


def test_arguments_go_through_a_file(tmp_path):
    options = {
        "neighbourhood_size": 3,
        "temperature": 0.2,
        "memory_momentum": 0.7,
        "bank_initialiser": "uniform",
        "augmenter": ViewConfig(SIDE, flip=0.5).layer(),
        "block_rows": 7,
        "seed": 4,
    }
    encoder = encoders.build("small", SIDE, DIM, width=0.25)
    made = and_tf.AND(encoder, N, **options)
    made.view_encoder = encoders.for_views(encoder, 2 * SIDE)
    made.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.augmenter.config == options["augmenter"].config
    assert again.view_encoder.input_shape[1] == 2 * SIDE
    configs = [m.get_config() | {"encoder": None} for m in (again, made)]
    assert configs[0] == configs[1]
    assert all(
        configs[0][n] == o for n, o in options.items() if n != "augmenter"
    )
    assert_equal([*map(np.array, again.variables)], made.get_weights())
    np.testing.assert_array_equal(
        again.predict(IMAGES, verbose=0), made.predict(IMAGES, verbose=0)
    )


def test_precision_goes_through_a_file(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        made = model()
    finally:
        keras.config.set_dtype_policy("float32")
    made.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.dtype_policy.name == "mixed_bfloat16"
    np.testing.assert_array_equal(
        again.predict(IMAGES, verbose=0), made.predict(IMAGES, verbose=0)
    )


@pytest.mark.parametrize("kind", ["rotation", "supervised"])
def test_other_pretexts_evaluate_and_go_through_a_file(kind, tmp_path):
    names = [f"class {n % 3}" for n in NUMBERS]
    made = {
        "rotation": lambda: Rotation(functional(), N, seed=1),
        "supervised": lambda: Supervised(functional(), names, 4, seed=1),
    }[kind]()
    made.compile("sgd")
    made.fit(batches(IMAGES, NUMBERS), verbose=0)
    before = values(made)
    found = made.evaluate(IMAGES, NUMBERS, verbose=0, return_dict=True)
    assert_equal(before, values(made))
    turns = range(4) if kind == "rotation" else [0]
    views = np.concatenate([np.rot90(IMAGES, t, (1, 2)) for t in turns])
    classes = np.repeat(turns, N) if kind == "rotation" else NUMBERS % 3
    w = unit(np.asarray(made.classifier.directions))
    told = (made.predict(views, verbose=0) @ w.T).argmax(1)
    np.testing.assert_allclose(found["accuracy"], (told == classes).mean())
    made.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(IMAGES, NUMBERS, verbose=0, return_dict=True) == found


@pytest.mark.parametrize(
    "recipe",
    [
        ViewConfig(8, crop_area=(0.5, 1.0), flip=0.5),
        StrongConfig(8, operations=2),
    ],
)
def test_augmentation_layers_go_through_a_config(recipe):
    layer = recipe.layer()
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert (again.config, again.name) == (recipe, layer.name)


@pytest.mark.parametrize("make", [functional, lambda: called(Subclassed())])
def test_exports_after_fit(make, tmp_path):
    made = model(make)
    fit(made, epochs=1)
    made.export(tmp_path / "exported", verbose=False)
    images = IMAGES.astype(np.float32)
    exported = tf.saved_model.load(tmp_path / "exported")
    found = exported.serve(images)
    np.testing.assert_allclose(
        found, made.predict(images, verbose=0), atol=1e-6
    )
