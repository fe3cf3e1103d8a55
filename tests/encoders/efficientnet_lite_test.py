"""EfficientNet-Lite, held against PyTorch and against photographs.

The weights are those of the package that `make test` installs.
"""

from __future__ import annotations

import math
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_image

from and_tf import encoders
from and_tf.encoders import efficientnet_lite, torch_file, weights
from and_tf.encoders.blocks import BatchNorm

NAME = "efficientnet_lite0"
IMAGENETTE = pathlib.Path(__file__).parents[3] / "shared/data/imagenette_64/val"
# The numbers of Imagenette's classes among the 1,000 of ImageNet.
CLASSES = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}
PALACE, DAISY = 698, 985


def network(name: str, size: int, width: float = 1.0) -> keras.Model:
    images = keras.Input((size, size, 3))
    return keras.Model(images, efficientnet_lite.trunk(name, images, width))


@pytest.fixture(scope="module")
def file() -> pathlib.Path:
    return weights.find(NAME, "imagenet")


@pytest.fixture(scope="module")
def classify(file):
    """Returns a function from images [B, 224, 224, 3] to logits [B, 1000]."""
    model = network(NAME, efficientnet_lite.SIZES[NAME].image_size)
    weights.load(model, NAME, file)
    state = torch_file.read(file)

    def classify(images: np.ndarray) -> np.ndarray:
        features = model.predict(images, batch_size=20, verbose=0)
        return features @ state["_fc.weight"].T + state["_fc.bias"]

    return classify


@pytest.mark.parametrize(
    "name, published",
    [
        ("efficientnet_lite0", 4_652_008),
        ("efficientnet_lite1", 5_416_680),
        ("efficientnet_lite2", 6_092_072),
    ],
)
def test_has_as_many_parameters_as_published(name, published):
    model = network(name, 32)
    count = sum(math.prod(w.shape) for w in model.trainable_weights)
    assert count + (1280 + 1) * 1000 == published


def test_features_are_those_of_pytorch(file):
    """Those of efficientnet_lite_pytorch 0.1.0 with PyTorch 2.13.0 on a CPU.

    The side is odd, so that padding on the wrong side is found.
    """
    model = network(NAME, 97)
    weights.load(model, NAME, file)
    rows, columns, channels = np.ogrid[:97, :97, :3]
    image = (rows * rows // 9 + 5 * columns + 60 * channels) % 256
    (features,) = model(image[None].astype(np.float32)).numpy()
    largest = np.argsort(-features)[:8]
    assert largest.tolist() == [714, 113, 848, 1169, 327, 1189, 989, 1126]
    np.testing.assert_allclose(
        features[largest],
        [5.12433, 4.80085, 4.7119, 4.3938, 4.3641, 4.3401, 4.30502, 4.25884],
        rtol=1e-4,
    )
    np.testing.assert_allclose(features.sum(), 429.69888, rtol=1e-4)


def test_photographs_are_recognised(classify):
    images = []
    for name in ("china.jpg", "flower.jpg"):
        image = load_sample_image(name)  # [427, 640, 3]
        middle = Image.fromarray(image[:, 106:533])
        images.append(np.asarray(middle.resize((224, 224), Image.BICUBIC)))
    logits = classify(np.stack(images))
    assert logits.argmax(axis=1).tolist() == [PALACE, DAISY]


def test_imagenette_is_recognised(classify):
    """Ten images of each class of 64 pixels, which lie beside the checkout."""
    if not IMAGENETTE.is_dir():
        pytest.skip("Imagenette is not beside this checkout")
    images = np.stack(
        [
            np.asarray(
                Image.open(path)
                .convert("RGB")
                .resize((224, 224), Image.BICUBIC)
            )
            for wnid in CLASSES
            for path in sorted((IMAGENETTE / wnid).iterdir())[:10]
        ]
    )
    logits = classify(images)[:, list(CLASSES.values())]
    right = logits.argmax(axis=1) == np.repeat(np.arange(10), 10)
    assert right.mean() >= 0.85


def test_stages_halve_the_maps_and_the_last_is_pooled():
    encoder = encoders.build(NAME, 65, 8, width=0.25)
    names = encoders.feature_layers(encoder)
    assert names == tuple(f"stage{number}" for number in range(1, 6))
    outputs = [encoder.get_layer(name).output for name in names]
    assert [x.shape[1] for x in outputs] == [33, 17, 9, 5, 3]
    pool = encoder.get_layer("pool").output
    images = np.random.default_rng(0).integers(0, 256, (2, 65, 65, 3))
    last, pooled = keras.Model(encoder.input, [outputs[-1], pool])(
        images.astype(np.uint8)
    )
    np.testing.assert_allclose(pooled, np.mean(last, (1, 2)), rtol=1e-5)
    assert np.min(last) >= 0 and np.max(last) <= 6


def test_trains_with_the_fused_batch_norm_and_is_plain_without():
    encoder = encoders.build(NAME, 16, 8, width=0.125)
    norms = [
        layer
        for layer in encoder.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) == 49 and {type(norm) for norm in norms} == {BatchNorm}
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(images, training=True)[:, 0])
    gradients = tape.gradient(
        loss, [v.value for v in encoder.trainable_weights]
    )
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    plain = encoders.plain(encoder)
    assert not any(isinstance(layer, BatchNorm) for layer in plain.layers)
    np.testing.assert_allclose(plain(images), encoder(images), atol=1e-6)
