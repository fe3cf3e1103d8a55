"""Trunks of keras.applications compute what Keras' own networks do."""

from __future__ import annotations

import inspect
import urllib.error

import keras
import numpy as np
import pytest
from keras import applications as theirs

import and_tf
from and_tf import encoders
from and_tf.encoders import applications, pixels
from and_tf.utils.errors import InputError

SIDE = 32
PIXELS = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
# Networks whose layers do what `preprocess_input` does elsewhere.
INSIDE = (
    "ConvNeXtTiny",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "EfficientNetV2S",
    "MobileNetV3Small",
)


@pytest.fixture(scope="module")
def mobile_net() -> keras.Model:
    keras.utils.set_random_seed(0)
    return applications.trunk("MobileNetV2", SIDE)


def _normalised(name: str) -> np.ndarray:
    images = keras.Input((SIDE, SIDE, 3))
    x = pixels.normalise(images, applications.pixels_of(name))
    return keras.Model(images, keras.layers.Identity()(x))(PIXELS).numpy()


@pytest.mark.parametrize(
    "name",
    "DenseNet121 InceptionV3 InceptionResNetV2 MobileNet MobileNetV2 "
    "NASNetMobile ResNet50 ResNet50V2 VGG16 VGG19 Xception".split(),
)
def test_pixels_are_those_of_preprocess_input(name):
    module = inspect.getmodule(getattr(theirs, name))
    expected = module.preprocess_input(PIXELS.astype(np.float32))
    assert np.abs(expected - PIXELS).max() > 1
    np.testing.assert_allclose(_normalised(name), expected, atol=1e-4)


@pytest.mark.parametrize("name", INSIDE)
def test_pixels_are_those_of_the_layers_inside(name):
    network = getattr(theirs, name)(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3)
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            # As in the weights of ImageNet: mean, variance and a count.
            mean, std = map(np.float32, (encoders.MEAN, encoders.STD))
            layer.set_weights([mean, std**2, np.array(0, np.int32)])
            layer.finalize_state()
    first = next(
        layer
        for layer in network.layers
        if layer.trainable_weights
        or isinstance(layer, (keras.layers.ZeroPadding2D, keras.Sequential))
    )
    front = keras.Model(network.input, first.input)
    found = _normalised(name)
    np.testing.assert_allclose(found, front(PIXELS), atol=1e-4)


def test_features_are_those_of_the_network(mobile_net):
    network = theirs.MobileNetV2(
        include_top=False,
        weights=None,
        input_shape=(SIDE, SIDE, 3),
        pooling="avg",
    )
    network.set_weights(mobile_net.get_weights())
    ready = theirs.mobilenet_v2.preprocess_input(PIXELS.astype(np.float32))
    features = mobile_net(PIXELS)
    assert features.dtype == "float32" and np.ptp(features) > 0
    np.testing.assert_allclose(features, network(ready), atol=1e-5)


def test_sizes_are_those_of_keras(monkeypatch):
    class Seen(Exception):
        pass

    def stop(shape: object, default_size: int, **_: object) -> None:
        raise Seen(default_size)

    utils = inspect.getmodule(theirs.VGG16).imagenet_utils
    monkeypatch.setattr(utils, "obtain_input_shape", stop)
    for name in applications.NAMES:
        if name.startswith("MobileNetV3"):  # They do not ask for one.
            continue
        with pytest.raises(Seen) as seen:
            getattr(theirs, name)(weights=None)
        assert applications.default_size(name) == seen.value.args[0], name


def test_every_network_of_keras_is_known():
    networks = {
        name
        for name, value in vars(theirs).items()
        if inspect.isfunction(value)
    }
    assert set(applications.NAMES) == networks


def test_weights_that_are_there_are_loaded(monkeypatch, tmp_path, mobile_net):
    file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    (tmp_path / "models").mkdir()
    theirs.MobileNetV2(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3)
    ).save(tmp_path / "models" / file)
    saved = keras.models.load_model(tmp_path / "models" / file, compile=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(_files(), "config", _at(tmp_path))
    trunk = applications.trunk("mobilenetv2", SIDE, "imagenet")
    pairs = zip(trunk.weights, saved.weights, strict=True)
    assert all(np.array_equal(ours, own) for ours, own in pairs)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ResNet50", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("NASNetMobile", "nasnet_mobile_no_top.h5"),
    ],
)
def test_weights_that_are_missing(monkeypatch, tmp_path, name, file):
    asked = []

    def no_network(url: str, target: str, *_: object) -> None:
        asked.append(target)
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(_files(), "config", _at(tmp_path))
    monkeypatch.setattr(_files(), "urlretrieve", no_network)
    with pytest.raises(InputError, match="no network") as error:
        applications.trunk(name, SIDE, "imagenet")
    assert asked == [str(tmp_path / "models" / file)]
    assert asked[0] in str(error.value)


def _files():
    return inspect.getmodule(theirs.VGG16).file_utils


def _at(directory):
    return type("", (), {"keras_home": staticmethod(lambda: str(directory))})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("MobileNetV4",), "Did you mean MobileNetV2"),
        (("Xception", 32), "image_size of 71 or more .* Received: 32"),
        (("VGG16", 32, "places"), "None or 'imagenet' .*'places'"),
    ],
)
def test_says_what_was_expected(arguments, words):
    with pytest.raises(InputError, match=words):
        applications.trunk(*arguments)


def _encoder(trunk: keras.Model) -> keras.Model:
    x = keras.layers.Dense(4, dtype="float32")(trunk.output)
    return keras.Model(trunk.input, keras.layers.UnitNormalization()(x))


def test_a_step_of_and_moves_it(mobile_net):
    encoder = _encoder(keras.models.clone_model(mobile_net))
    images, numbers = np.repeat(PIXELS, 4, 0), np.arange(8)
    model = and_tf.AND(encoder, num_examples=8)
    model.view_encoder = encoders.for_views(encoder, 40)
    model.augmenter = keras.layers.Resizing(40, 40)
    model.compile(keras.optimizers.SGD(0.1))
    before = encoder.get_weights()
    model.fit(images, numbers, batch_size=8, verbose=0)
    moved = [
        not np.array_equal(old, new)
        for old, new in zip(before, encoder.get_weights(), strict=True)
    ]
    assert all(moved)
    embeddings = model.predict(images, verbose=0)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, 1e-5)


def test_its_feature_maps(mobile_net):
    names = encoders.feature_layers(mobile_net)
    maps = [mobile_net.get_layer(name).output.shape[1] for name in names]
    assert maps == [16, 8, 4, 2, 1]
    assert names[:2] == ("block_1_expand_relu", "block_3_expand_relu")
    assert encoders.last_feature_map(mobile_net) == names[3]
    # It has one layer with a name like those of our own networks.
    assert len(encoders.feature_layers(applications.trunk("MobileNet", 32))) > 3


def test_a_plain_copy_computes_the_same(mobile_net):
    copy = encoders.plain(mobile_net)
    np.testing.assert_allclose(copy(PIXELS), mobile_net(PIXELS), atol=1e-6)


def test_mixed_precision_ends_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trunk = applications.trunk("MobileNet", SIDE)
    finally:
        keras.config.set_dtype_policy(before)
    assert trunk.get_layer("normalise").output.dtype == "float32"
    assert trunk.get_layer("conv1").output.dtype == "bfloat16"
    assert trunk(PIXELS).dtype == "float32"
