"""Trunks that are built again from JSON."""

from __future__ import annotations

import json
import pathlib
import shutil

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from and_tf.encoders import saved_models
from and_tf.encoders.descriptions import describe, open_trunk, rebuild
from and_tf.utils.encoder_names import EncoderName, parse
from and_tf.utils.errors import InputError
from tests.encoders.models import IMAGES, SIDE, Subclassed, classifier


def _agrees(
    name: EncoderName | str, kind: str, image_size: int, remove: object = None
) -> None:
    """Describes a trunk, removes its source, and builds it again."""
    name = parse(name) if isinstance(name, str) else name
    trunk, _ = open_trunk(name, image_size=image_size, expects="-1..1")
    text = json.dumps(describe(name, trunk, expects="-1..1"))
    if remove:
        pathlib.Path(name.value).rename(str(remove))
    description = json.loads(text)
    assert description["kind"] == kind
    again = rebuild(description)
    pairs = zip(trunk.variables, again.variables, strict=True)
    assert all(own.shape == other.shape for own, other in pairs)
    again.set_weights(trunk.get_weights())
    size = trunk.input_shape[1]
    images = np.resize(IMAGES, (2, size, size, 3))
    np.testing.assert_allclose(again(images), trunk(images), atol=1e-6)


def test_a_network_of_keras():
    _agrees("applications:mobilenetv2", "applications", 32)


@pytest.mark.parametrize("layer", ["", "@norm"])
def test_a_functional_file(layer, tmp_path):
    images = keras.Input((None, None, 3))
    model = classifier(None)
    outer = keras.Model(images, model(keras.layers.GaussianNoise(1)(images)))
    outer.save(tmp_path / "mine.keras")
    name = f"{tmp_path}/mine.keras{layer}"
    _agrees(name, "layers", SIDE, tmp_path / "gone.keras")


def test_a_subclassed_file(tmp_path):
    class Unregistered(Subclassed):
        pass

    model = Subclassed()
    model(IMAGES.astype(np.float32))
    model.save(tmp_path / "mine.keras")
    # Its class is known here, so that its config says all.
    _agrees(f"{tmp_path}/mine.keras", "layers", SIDE, tmp_path / "b.keras")


def test_a_function():
    _agrees("tests.encoders.models:classifier", "function", 12)


def test_a_hub_preset(tmp_path):
    preset = str(tmp_path / "preset")
    keras_hub.models.ViTBackbone((SIDE, SIDE, 3), 4, 1, 2, 8, 8).save_to_preset(
        preset
    )
    keras_hub.layers.ViTImageConverter(scale=1 / 255).save_to_preset(preset)
    _agrees(EncoderName("hub", preset), "hub", SIDE, tmp_path / "gone")


def test_a_saved_model_and_its_copy(tmp_path):
    classifier().export(str(tmp_path / "theirs"), verbose=False)
    name = parse(str(tmp_path / "theirs"))
    trunk, _ = open_trunk(name)
    run = tmp_path / "run"
    run.mkdir()
    kept = saved_models.keep(pathlib.Path(name.value), run)
    description = json.loads(json.dumps(describe(name, trunk, kept=kept)))
    shutil.rmtree(name.value)
    run = run.rename(tmp_path / "moved")
    again = rebuild(description, run)
    np.testing.assert_allclose(again(IMAGES), trunk(IMAGES), atol=1e-6)
    assert saved_models.keep(pathlib.Path(name.value), run) == kept
    assert [path.name for path in run.iterdir()] == [kept]
    shutil.rmtree(run / kept)
    with pytest.raises(InputError, match="moved"):
        rebuild(description, run)


def test_a_layer_that_is_not_known():
    name = parse("a.keras")
    description = describe(name, classifier())
    text = json.dumps(description).replace('"BatchNormalization"', '"Gone"')
    with pytest.raises(InputError, match="keras.layers.Gone"):
        rebuild(json.loads(text))


def test_a_trunk_on_replicas():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        trunk, _ = open_trunk(parse("tests.encoders.models:classifier"))
    assert strategy.extended.variable_created_in_scope(trunk.weights[0].value)
