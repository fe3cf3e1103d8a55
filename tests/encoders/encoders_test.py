"""What all encoders promise: input, output, names, errors."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf import encoders
from and_tf.utils.errors import InputError

NARROW = 0.125
# A ResNet101 is a ResNet50 with more of the same.
KINDS = ("small", "alexnet", "resnet18", "resnet50")


def _pixels(size: int, batch: int = 3) -> np.ndarray:
    shape = (batch, size, size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", encoders.NAMES)
def test_embeddings_have_unit_norm(name):
    size, dim = 20, 5
    encoder = encoders.build(name, size, dim, width=NARROW)
    assert encoder.name == name
    assert encoder.input_shape == (None, size, size, 3)
    assert encoder.layers[-1].name == "embedding"
    embeddings = encoder(_pixels(size))
    assert embeddings.dtype == tf.float32 and embeddings.shape == (3, dim)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, 1e-5)


def _strided_1x1(encoder: keras.Model) -> list[str]:
    """Names of the narrow 1×1 convolutions that a traced encoder strides by."""
    spec = tf.TensorSpec((2, *encoder.input_shape[1:]))
    graph = tf.function(encoder).get_concrete_function(spec).graph
    return [
        op.name
        for op in graph.get_operations()
        if op.type == "Conv2D"
        and op.inputs[1].shape[:2] == (1, 1)
        and op.inputs[1].shape[2] < 16
        and max(op.get_attr("strides")) > 1
    ]


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *((name, width) for name in KINDS for width in (0.01, 0.3, 1.0)),
        ("resnet101", 0.01),
    ],
)
def test_no_narrow_1x1_convolution_has_a_stride(name, width):
    # See `conv_norm`: the gradient of a narrow one would corrupt the memory.
    for stem in ("auto",) if name == "small" else ("cifar", "imagenet"):
        size = 64 if stem == "imagenet" else 16
        encoder = encoders.build(name, size, 4, stem=stem, width=width)
        assert _strided_1x1(encoder) == []


def test_a_narrow_1x1_convolution_with_a_stride_is_found():
    images = keras.Input((8, 8, 8))
    strided = keras.layers.Conv2D(4, 1, 2)
    assert len(_strided_1x1(keras.Model(images, strided(images)))) == 1


def test_any_way_of_giving_pixels_is_the_same():
    encoder = encoders.build("small", 16, 4, width=NARROW)
    pixels = _pixels(16)
    expected = encoder(pixels.astype(np.float32))
    batches = tf.data.Dataset.from_tensors(pixels)
    for embeddings in (
        encoder(pixels),
        encoder.predict(pixels, verbose=0),
        encoder.predict(pixels.astype(np.float32), verbose=0),
        encoder.predict(batches, verbose=0),
    ):
        np.testing.assert_allclose(embeddings, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["small", "resnet18", "resnet50"])
def test_views_of_another_size_share_the_layers(name):
    encoder = encoders.build(name, 24, 4, width=NARROW)
    views = encoders.for_views(encoder, 16)
    assert views.input_shape == (None, 16, 16, 3)
    # As one built for that size, with the same weights.
    alone = encoders.build(name, 16, 4, stem="auto", width=NARROW)
    for theirs, own in zip(alone.variables, encoder.variables, strict=True):
        theirs.assign(own + 0.01)
        own.assign(theirs)  # After the clone: what changes is shared.
    np.testing.assert_allclose(
        views(_pixels(16)), alone(_pixels(16)), atol=1e-6
    )
    assert {id(v) for v in views.variables} == {
        id(v) for v in encoder.variables
    }
    assert encoders.for_views(encoder, 24) is encoder


def test_pixels_are_normalised():
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    encoder = encoders.build("small", 8, mean=mean, std=std)
    normalise = keras.Model(
        encoder.input, encoder.get_layer("normalise").output
    )
    pixels = _pixels(8)
    expected = (pixels / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(normalise(pixels), expected, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_mixed_precision_keeps_both_ends_in_float32(policy, name):
    encoder = encoders.build(name, 8, 6, width=NARROW)
    pixels = _pixels(8) + np.float32(0.25)  # which bfloat16 would round off
    ends = ("normalise", "embedding")
    outputs = [encoder.get_layer(end).output for end in ends]
    normalised, embeddings = keras.Model(encoder.input, outputs)(pixels)
    half = policy.removeprefix("mixed_")
    feature = encoders.feature_layers(encoder)[0]
    assert encoder.get_layer(feature).output.dtype == half
    assert normalised.dtype == embeddings.dtype == tf.float32
    expected = (pixels / 255 - encoders.MEAN) / encoders.STD
    np.testing.assert_allclose(normalised, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, 1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_gradient_reaches_every_trainable_weight(name):
    encoder = encoders.build(name, 16, 4, width=NARROW)
    pixels, direction = _pixels(16, 8), np.float32([1, 2, -1, 0.5])
    with tf.GradientTape() as tape:
        embeddings = encoder(pixels, training=True)
        loss = tf.reduce_mean(embeddings**2 @ direction[:, None])
    gradients = tape.gradient(loss, encoder.trainable_weights)
    for weight, gradient in zip(
        encoder.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize("name", ["small", "alexnet", "resnet50"])
def test_feature_layers_run_from_input_to_output(name):
    encoder = encoders.build(name, 32, width=NARROW)
    names = encoders.feature_layers(encoder)
    outputs = [encoder.get_layer(n).output for n in names]
    maps = keras.Model(encoder.input, outputs)(_pixels(32))
    sides = [m.shape[1] for m in maps]
    assert all(m.ndim == 4 for m in maps)
    assert sides == sorted(sides, reverse=True)
    assert list(names) == sorted(names)


@pytest.mark.parametrize(
    ("name", "image_size", "layer"),
    [
        ("small", 32, "stage2"),
        ("small", 8, "stage1"),  # stage2 has one place.
        ("alexnet", 32, "conv5"),
        ("resnet50", 32, "stage4"),
    ],
)
def test_the_last_feature_map_has_places(name, image_size, layer):
    encoder = encoders.build(name, image_size, width=NARROW)
    assert encoders.last_feature_map(encoder) == layer


def test_the_last_feature_map_of_any_encoder():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="mine")(images)
    x = keras.layers.Conv2D(4, 6, name="one_place")(x)
    x = keras.layers.Flatten()(x)
    own = keras.Model(images, keras.layers.Dense(2)(x))
    assert encoders.last_feature_map(own) == "mine"
    flat = keras.Sequential([images, keras.layers.Flatten()])
    with pytest.raises(InputError, match="more than one position. Received"):
        encoders.last_feature_map(flat)


def test_the_global_seed_decides_the_weights():
    def weights(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(seed)
        return encoders.build("small", 8, width=NARROW).get_weights()

    first, again, other = weights(0), weights(0), weights(1)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first[0] - other[0]).max() > 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"name": "vgg"}, "small, alexnet, resnet18.* Received: 'vgg'"),
        ({"image_size": 7}, "image_size of 8 or more. Received: 7"),
        ({"embedding_dim": 0}, "embedding_dim of 1 or more. Received: 0"),
        ({"stem": "vit"}, "auto, cifar, imagenet.* Received: 'vit'"),
        ({"name": "small", "stem": "cifar"}, "among auto .*small"),
        ({"width": 0.0}, "width above 0"),
        ({"features": -1}, "features of 0 or more. Received: -1"),
        ({"name": "alexnet", "features": 8}, "no features for .*alexnet"),
    ],
)
def test_says_what_was_expected(arguments, words):
    with pytest.raises(InputError, match=words):
        encoders.build(**{"name": "resnet18", "image_size": 32} | arguments)
