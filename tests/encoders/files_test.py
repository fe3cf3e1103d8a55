"""Trunks of `.keras` files and SavedModels."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from and_tf import encoders
from and_tf.encoders import files
from and_tf.utils.errors import InputError
from tests.encoders.models import IMAGES, SIDE, Subclassed, classifier


def _saved(model: keras.Model, directory) -> str:
    path = str(directory / "mine.keras")
    model.save(path)
    return path


@pytest.mark.parametrize(
    ("expects", "arithmetic"),
    [
        ("0..255", lambda x: x),
        ("0..1", lambda x: x / 255),
        ("-1..1", lambda x: x / 127.5 - 1),
        ("imagenet", lambda x: (x / 255 - encoders.MEAN) / encoders.STD),
        ("caffe", lambda x: x[..., ::-1] - [103.939, 116.779, 123.68]),
    ],
)
def test_pixels_of_each_convention(expects, arithmetic, tmp_path):
    model = classifier()
    trunk, note = files.trunk(
        _saved(model, tmp_path), layer="map", expects=expects
    )
    found = keras.Model(model.input, model.get_layer("map").output)
    pixels = arithmetic(IMAGES.astype(np.float32)).astype(np.float32)
    expected = found(pixels).numpy().mean((1, 2))  # The average of positions.
    np.testing.assert_allclose(trunk(IMAGES), expected, rtol=1e-4, atol=1e-4)
    assert f"gets pixel values {expects}" in note
    assert trunk(IMAGES).dtype == "float32"


def test_a_model_inside_gives_its_layers(tmp_path):
    model = classifier()
    base = keras.Model(model.input, model.get_layer("map").output, name="base")
    images = keras.Input((None, None, 3))
    x = base(layers.Rescaling(1 / 255)(images), training=False)
    x = layers.Dense(5, name="dense")(layers.GlobalMaxPooling2D()(x))
    whole = keras.Model(images, x)
    path = _saved(whole, tmp_path)
    trunk, note = files.trunk(path, image_size=SIDE, expects="imagenet")
    np.testing.assert_allclose(trunk(IMAGES), whole(IMAGES), atol=1e-5)
    assert "scales pixel values itself" in note
    names = [layer.name for layer in trunk.layers]
    assert "norm" in names and "base" not in names
    inside, _ = files.trunk(path, layer="norm", image_size=SIDE)
    normed = keras.Model(model.input, model.get_layer("norm").output)
    np.testing.assert_allclose(
        inside(IMAGES),
        normed(IMAGES.astype(np.float32) / 255).numpy().mean((1, 2)),
        atol=1e-5,
    )
    views = encoders.for_views(trunk, 12)
    assert {id(w) for w in views.weights} == {id(w) for w in trunk.weights}
    assert encoders.feature_layers(trunk) == ("map",)
    assert encoders.last_feature_map(trunk) == "map"


def test_sequential_and_subclassed_models(tmp_path):
    sequential = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), layers.Conv2D(4, 3, name="pool")]
    )
    trunk, _ = files.trunk(_saved(sequential, tmp_path))
    expected = sequential(IMAGES).numpy().mean((1, 2))
    np.testing.assert_allclose(trunk(IMAGES), expected, rtol=1e-4, atol=1e-4)
    subclassed = Subclassed()
    subclassed(IMAGES.astype(np.float32))
    path = _saved(subclassed, tmp_path)
    trunk, _ = files.trunk(path, image_size=SIDE)
    expected = subclassed(IMAGES.astype(np.float32))
    np.testing.assert_allclose(trunk(IMAGES), expected, rtol=1e-5)
    with pytest.raises(InputError, match="whose layers are not known"):
        files.trunk(path, image_size=SIDE, layer="dense")


def test_an_adapted_normalisation(tmp_path):
    normalise = layers.Normalization()
    normalise.adapt(IMAGES.astype(np.float32))
    model = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), normalise, layers.Conv2D(4, 3)]
    )
    trunk, note = files.trunk(_saved(model, tmp_path), expects="caffe")
    expected = model(IMAGES).numpy().mean((1, 2))
    np.testing.assert_allclose(trunk(IMAGES), expected, atol=1e-5)
    assert f"in its layer {normalise.name!r}" in note
    assert len(trunk.weights) == 2  # No weights are left in it.


def test_one_size_only(tmp_path):
    images = keras.Input((SIDE, SIDE, 3))
    x = layers.Dense(3)(layers.Flatten()(images))
    path = _saved(keras.Model(images, x), tmp_path)
    trunk, _ = files.trunk(path)
    with pytest.raises(InputError, match=f"views of {SIDE} pixels"):
        encoders.for_views(trunk, 16)
    with pytest.raises(InputError, match="takes images of 16×16 pixels"):
        files.trunk(path, image_size=16)


def _refused(model: keras.Model, words: str, directory, **others) -> None:
    with pytest.raises(InputError, match=words):
        files.trunk(_saved(model, directory), **others)


def test_models_that_are_no_trunks(tmp_path):
    images, x = keras.Input((SIDE, SIDE, 3), name="a"), keras.Input((4,))
    dense = layers.Dense(2, name="end")
    flat = layers.Flatten()(images)
    _refused(
        keras.Model([images, x], dense(flat)), "one input.*2: a, ", tmp_path
    )
    two = keras.Model(images, [dense(flat), layers.ReLU(name="other")(flat)])
    _refused(two, "one output.*2: end, other", tmp_path)
    _refused(keras.Model(x, layers.Dense(2)(x)), r"\[None, 4\]", tmp_path)
    rows = layers.Reshape((SIDE, -1))(images)
    _refused(keras.Model(images, rows), r"\[None, 8, 24\]", tmp_path)
    _refused(
        keras.Model(images, dense(flat)),
        "a layer of .*'ent'.* Did you mean end",
        tmp_path,
        layer="ent",
    )
    some = keras.Input((None, None, 3))
    free = keras.Model(some, layers.Conv2D(2, 1)(some))
    _refused(free, "Expected an image_size", tmp_path)
    _refused(free, "pixels among .* 'rgb'", tmp_path, expects="rgb")
    unsafe = layers.Lambda(lambda x: x / 2)(images)
    _refused(keras.Model(images, unsafe), "without Lambda", tmp_path)


def test_files_that_are_no_models(tmp_path):
    (tmp_path / "a.keras").write_bytes(b"no archive")
    for name, words in [
        ("a.keras", "a model that Keras .* loads"),
        ("b.keras", "which does not exist"),
        (".", "directory of a SavedModel"),
    ]:
        with pytest.raises(InputError, match=words):
            files.trunk(tmp_path / name)


class _Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable([[2.0], [3.0], [5.0]])

    @tf.function(
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)]
    )
    def embed(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        mean = tf.reduce_mean(tf.cast(images, tf.float32), (1, 2))
        return {"mean": mean, "sum": mean @ self.weight}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def decode(self, files: tf.Tensor) -> tf.Tensor:
        return tf.strings.length(files)


def test_a_saved_model(tmp_path):
    module = _Module()
    path = str(tmp_path / "saved")
    signatures = {"embed": module.embed, "decode": module.decode}
    tf.saved_model.save(module, path, signatures=signatures)
    trunk, note = files.trunk(path, layer="sum", image_size=SIDE)
    expected = IMAGES.mean((1, 2)) @ [[2.0], [3.0], [5.0]]
    np.testing.assert_allclose(trunk(IMAGES), expected, rtol=1e-5)
    assert trunk.weights == [] and "stay as they are" in note
    views = encoders.for_views(trunk, 16)
    shown = np.ones((1, 16, 16, 3), np.float32)
    np.testing.assert_allclose(views(shown), [[10.0]], rtol=1e-6)
    other, _ = files.trunk(path, layer="embed/mean", image_size=SIDE)
    np.testing.assert_allclose(other(IMAGES), IMAGES.mean((1, 2)), rtol=1e-5)
    for layer, expects, words in [
        ("", "0..255", "one output .*mean, sum"),
        ("embed/all", "0..255", "one output .*'all'"),
        ("sum", "0..1", "pixels 0..255 .*takes uint8"),
    ]:
        with pytest.raises(InputError, match=words):
            files.trunk(path, layer=layer, expects=expects, image_size=SIDE)
    with pytest.raises(InputError, match="images of any size"):
        files.trunk(path, layer="sum")


def test_a_saved_model_of_keras_and_one_without_images(tmp_path):
    model = classifier()
    model.export(str(tmp_path / "theirs"), verbose=False)
    trunk, _ = files.trunk(tmp_path / "theirs", expects="0..1")
    expected = model(IMAGES.astype(np.float32) / 255)
    np.testing.assert_allclose(trunk(IMAGES), expected, atol=1e-5)
    module = _Module()
    tf.saved_model.save(
        module, str(tmp_path / "a"), signatures={"decode": module.decode}
    )
    with pytest.raises(InputError, match="decode takes files .*string"):
        files.trunk(tmp_path / "a")
