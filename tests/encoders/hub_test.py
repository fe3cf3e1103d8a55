"""Trunks of keras-hub's backbones, from presets saved here."""

from __future__ import annotations

import sys

import keras
import keras_hub
import numpy as np
import pytest

from and_tf import encoders
from and_tf.encoders import hub
from and_tf.utils.errors import InputError

SIDE = 16
IMAGES = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
SCALE, OFFSET = (1 / 51, 1 / 60, 1 / 70), (-1.0, -2.0, -3.0)


def _saved(backbone: keras.Model, converter: type, directory) -> str:
    """Saves a preset with random weights."""
    preset = str(directory / "preset")
    backbone.save_to_preset(preset)
    converter(
        image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET
    ).save_to_preset(preset)
    return preset


def _vit(**others: object) -> keras.Model:
    return keras_hub.models.ViTBackbone(
        image_shape=(SIDE, SIDE, 3),
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=8,
        **others,
    )


def _dino(**others: object) -> keras.Model:
    return keras_hub.models.DINOV2Backbone(
        patch_size=8,
        num_layers=1,
        hidden_dim=8,
        num_heads=2,
        intermediate_dim=8,
        image_shape=(SIDE, SIDE, 3),
        position_embedding_shape=(SIDE, SIDE, 3),
        **others,
    )


def _res_net() -> keras.Model:
    return keras_hub.models.ResNetBackbone(
        [64], [3], [64, 64], [1, 1], [1, 2], "basic_block"
    )


@pytest.mark.parametrize(
    ("backbone", "converter", "features"),
    [
        (_vit, "ViTImageConverter", lambda x: x[:, 0]),
        (
            lambda: _vit(use_class_token=False),
            "ViTImageConverter",
            lambda x: x.mean(1),
        ),
        (_dino, "DINOV2ImageConverter", lambda x: x[:, 0]),
        (_res_net, "ResNetImageConverter", lambda x: x.mean((1, 2))),
    ],
    ids=["vit", "vit without token", "dino", "resnet"],
)
def test_features_are_those_of_the_backbone(
    backbone, converter, features, tmp_path
):
    backbone, converter = backbone(), getattr(keras_hub.layers, converter)
    trunk = hub.trunk(_saved(backbone, converter, tmp_path))
    assert trunk.input_shape == (None, SIDE, SIDE, 3)
    pixels = (IMAGES * SCALE + OFFSET).astype(np.float32)
    expected = features(backbone.predict(pixels, verbose=0))
    assert trunk(IMAGES).dtype == "float32"
    np.testing.assert_allclose(trunk(IMAGES), expected, atol=1e-5)


def test_other_sizes(tmp_path):
    vit = _saved(_vit(), keras_hub.layers.ViTImageConverter, tmp_path)
    with pytest.raises(InputError, match="its own of 16. Received: 32"):
        hub.trunk(vit, 32)
    with pytest.raises(InputError, match="views of 16 pixels .*17 and 5"):
        encoders.for_views(hub.trunk(vit), 32)
    # DINOv2 interpolates its position embeddings.
    dino = _saved(
        _dino(), keras_hub.layers.DINOV2ImageConverter, tmp_path / "dino"
    )
    assert hub.trunk(dino, 32).input_shape == (None, 32, 32, 3)
    res_net = _saved(
        _res_net(), keras_hub.layers.ResNetImageConverter, tmp_path / "res"
    )
    trunk = hub.trunk(res_net, 24)
    assert encoders.for_views(trunk, 32).output_shape == trunk.output_shape
    assert len(encoders.feature_layers(trunk)) > 1


def test_presets_that_cannot_be_loaded(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="Did you mean dinov2_small"):
        hub.trunk("dinov2_smal")
    with pytest.raises(InputError, match="Without a network"):
        hub.trunk(str(tmp_path))
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(InputError, match="pip install keras-hub"):
        hub.trunk("dinov2_small")
