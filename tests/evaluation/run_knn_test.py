"""The kNN figures of a run, against plain computations on the same images."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from and_tf.data.split import ImageData, in_memory
from and_tf.evaluation.run_knn import RunKnn
from tests.conftest import unit


class Flat(keras.Model):
    """Pixels as embeddings, and a bank that is not those of the images."""

    def __init__(self, rows):
        super().__init__()
        self.bank = type("Bank", (), {"rows": rows})

    def call(self, images, training=False):
        flat = keras.ops.reshape(
            keras.ops.cast(images, "float32"), (-1, 8 * 8 * 3)
        )
        return flat / keras.ops.norm(flat, axis=1, keepdims=True)


@pytest.fixture
def images(rng):
    def split(name, size):
        array = rng.integers(0, 256, (size, 8, 8, 3), np.uint8)
        return in_memory(name, array, rng.integers(0, 3, size).astype(np.int64))

    return ImageData("noise", split("noise/train", 40), split("noise/test", 9))


def nearest_label(queries, gallery, labels):
    return labels[(queries @ gallery.T).argmax(1)]


def flat(split):
    return unit(split.images.reshape(split.size, -1).astype(np.float64))


def test_galleries(images, rng):
    rows = unit(rng.normal(size=(40, 192))).astype(np.float32)
    knn, model = RunKnn(images, 8, neighbours=1), Flat(rows)
    train, test = images.train, images.test
    for result, gallery in (
        (knn.bank(model), rows),
        (knn.clean(model), flat(train)),
    ):
        expected = nearest_label(flat(test), gallery, train.labels)
        np.testing.assert_array_equal(result.predictions, expected)
        assert result.top1 == (expected == test.labels).mean()


def test_raw_pixels_are_centred(images):
    def features(split):
        array = split.images.reshape(split.size, -1).astype(np.float64)
        return unit(array - array.mean(1, keepdims=True))

    result = RunKnn(images, 8, neighbours=1).raw_pixels()
    np.testing.assert_array_equal(
        result.predictions,
        nearest_label(
            features(images.test), features(images.train), images.train.labels
        ),
    )


def test_without_a_test_split_each_is_asked_of_all_others(images, rng):
    alone = ImageData("noise", images.train, None)
    knn, model = RunKnn(alone, 8, neighbours=1), Flat(None)
    similarity = flat(images.train) @ flat(images.train).T
    np.fill_diagonal(similarity, -1)
    np.testing.assert_array_equal(
        knn.clean(model).predictions,
        images.train.labels[similarity.argmax(1)],
    )
    assert knn.bank(model) is None
    assert knn.protocol["queries"] == "noise/train, leave one out"


def test_possible_with_labels_alone(images):
    unlabelled = in_memory("none", images.train.images, None)
    hidden = in_memory("hidden", images.train.images, np.full(40, -1))
    assert RunKnn(images, 8).possible
    for split in (unlabelled, hidden):
        assert not RunKnn(ImageData("x", split, images.test), 8).possible
        assert not RunKnn(ImageData("x", images.train, split), 8).possible
        assert RunKnn(ImageData("x", split, None), 8).protocol is None
