"""Which layers learn, and that frozen batch norms stay as they are."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from keras import layers

import and_tf
from and_tf import encoders
from and_tf.encoders import applications, descriptions, freezing, functions
from and_tf.utils.encoder_names import EncoderName
from and_tf.utils.errors import InputError

SIDE, DIM = 32, 4
HEAD = {"projection/kernel", "projection/bias"}
IMAGES = np.random.default_rng(1).integers(0, 256, (4, 8, 8, 3), np.uint8)


class Block(layers.Layer):
    """A layer with a batch norm in it, as a user's own may have."""

    def __init__(self, **others: object) -> None:
        super().__init__(**others)
        self.conv, self.norm = layers.Conv2D(3, 1), layers.BatchNormalization()

    def call(self, x: object, training: bool = False) -> object:
        return self.norm(self.conv(x), training=training)


class Subclassed(keras.Model):
    """A model that becomes one layer of an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.pool = Block(), layers.GlobalAveragePooling2D()

    def call(self, x: object, training: bool = False) -> object:
        return self.pool(self.block(x, training=training))


def with_block() -> keras.Model:
    """A functional model around a layer with a batch norm in it."""
    images = keras.Input((8, 8, 3))
    return keras.Model(images, Block(name="block")(images), name="blocks")


def around(name: str) -> keras.Model:
    """An encoder around what a function of this module returns."""
    whole = EncoderName("function", f"{__name__}:{name}")
    trunk = functions.trunk(whole.value, image_size=8)
    described = descriptions.describe(whole, trunk)
    return encoders.build(name, 8, DIM, trunk=described)


@pytest.fixture(scope="module")
def networks() -> dict[str, keras.Model]:
    made = {
        name: encoders.build(name, SIDE, DIM, width=0.25)
        for name in ("small", "resnet18", "efficientnet_lite0")
    }
    trunk = applications.trunk("MobileNetV2", SIDE)
    whole = EncoderName("applications", "MobileNetV2")
    described = descriptions.describe(whole, trunk)
    made["MobileNetV2"] = encoders.build("", SIDE, DIM, trunk=described)
    return made


def learns(encoder: keras.Model) -> set[str]:
    """Returns the paths of the variables that learn."""
    return {v.path for v in encoder.trainable_variables}


def after(encoder: keras.Model, name: str) -> set[str]:
    """Returns the layers behind one."""
    names = [layer.name for layer in encoder.layers]
    return set(names[names.index(name) + 1 :])


def layers_of(paths: set[str]) -> set[str]:
    return {path.split("/")[0] for path in paths}


@pytest.mark.parametrize(
    ("name", "pattern", "last"),
    [
        ("small", "stage2_.*", "stage1"),
        ("resnet18", "stage4_.*", "stage3"),
        ("efficientnet_lite0", "stage5_(.*_)?(conv|norm)", "stage4"),
        ("MobileNetV2", "block_16_.*", "block_13_expand_relu"),
    ],
)
def test_layers_that_learn(networks, name, pattern, last):
    encoder = networks[name]
    whole = {v.path for v in encoder.trainable_variables}
    freezing.freeze(encoder, "head")
    assert learns(encoder) == HEAD
    freezing.freeze(encoder, "last_stage")
    expected = {
        path for path in whole if path.split("/")[0] in after(encoder, last)
    }
    assert learns(encoder) == expected and HEAD < expected < whole
    freezing.freeze(encoder, pattern)
    expected = {p for p in whole if re.match(f"{pattern}/", p)}
    assert learns(encoder) == expected | HEAD and expected
    freezing.freeze(encoder, "all", batch_norm=True)
    left = whole - learns(encoder)
    assert left and {path.split("/")[1] for path in left} == {"gamma", "beta"}
    assert not any(p.endswith("/gamma") for p in learns(encoder))
    freezing.freeze(encoder)
    assert learns(encoder) == whole


def norms(encoder: keras.Model) -> list[layers.BatchNormalization]:
    """Returns all batch norms, those inside other layers too."""
    return [
        layer
        for layer in encoder._flatten_layers()
        if isinstance(layer, layers.BatchNormalization)
    ]


def functional() -> keras.Model:
    """A model whose layers become those of the encoder."""
    images = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(3, 1)(images))
    return keras.Model(images, x)


def named_like_a_head() -> keras.Model:
    """A model that becomes one layer, for one of a head's names in it."""
    images = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(3, 1)(images))
    x = layers.Dense(3, name="projection")(x)
    return keras.Model(images, x, name="inside")


@pytest.mark.parametrize(
    "function", ["functional", "with_block", "Subclassed", "named_like_a_head"]
)
def test_a_frozen_norm_computes_by_its_own_statistics(function):
    encoder = around(function)
    (norm,) = norms(encoder)
    rng = np.random.default_rng(0)
    norm.set_weights(list(rng.uniform(0.5, 1.5, (4, 3))))
    scale, offset, mean, variance = norm.get_weights()
    freezing.freeze(encoder, batch_norm=True)
    seen = []
    call = norm.call

    def noting(x, **others):
        y = call(x, **others)
        seen.append((np.asarray(x), np.asarray(y)))
        return y

    norm.call = noting
    model = and_tf.AND(encoder, len(IMAGES))
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    before = [np.array(v) for v in encoder.trainable_variables]
    model.fit(IMAGES, np.arange(4), batch_size=4, verbose=0)
    ((x, y),) = seen  # One pass, that of the training step.
    expected = (x - mean) / np.sqrt(variance + norm.epsilon) * scale + offset
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-3)
    for kept, value in zip((scale, offset, mean, variance), norm.get_weights()):
        np.testing.assert_array_equal(kept, value)
    assert all(
        np.abs(old - new).max() > 0
        for old, new in zip(before, encoder.trainable_variables, strict=True)
    )


def test_a_layer_that_does_not_learn_keeps_the_norms_in_it():
    encoder = around("Subclassed")
    freezing.freeze(encoder, "head")
    assert learns(encoder) == HEAD
    (norm,) = norms(encoder)
    before = norm.get_weights()
    encoder(IMAGES, training=True)
    for old, new in zip(before, norm.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    freezing.freeze(encoder)
    encoder(IMAGES, training=True)
    assert np.abs(norm.moving_mean - before[2]).max() > 0


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ("stage9", "matches none of small, whose layers end with .*, pool"),
        ("stage(", "regular expression of layers.*'stage\\('"),
        ("projection", "matches none"),
    ],
)
def test_wrong_patterns(networks, train, words):
    before = learns(networks["small"])
    with pytest.raises(InputError, match=words):
        freezing.freeze(networks["small"], train)
    assert learns(networks["small"]) == before


def test_a_model_of_one_layer_has_no_last_stage():
    with pytest.raises(InputError, match="--train=all or --train=head"):
        freezing.freeze(around("Subclassed"), "last_stage")


def test_variables_of_the_trunk():
    encoder = around("named_like_a_head")
    found = {id(v) for v in freezing.trunk_variables(encoder)}
    own = {id(v) for v in encoder.get_layer("inside").variables}
    assert found == own and len(encoder.variables) == len(own) + 2
