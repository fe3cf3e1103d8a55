"""Fidelity held against NumPy, on encoders whose answers are known."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from and_tf.data.split import ImageData, in_memory
from and_tf.evaluation.knn import weighted_knn
from export.serving import fidelity
from tests.conftest import unit

DIM = 6


@pytest.fixture
def original() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((4, 4, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(images)
    x = keras.layers.Dense(DIM)(keras.layers.Flatten()(x))
    return keras.Model(images, keras.layers.UnitNormalization()(x))


def split(name: str, count: int, labelled: bool):
    rng = np.random.default_rng(len(name))
    images = rng.integers(0, 256, (count, 4, 4, 3), np.uint8)
    labels = rng.integers(0, 3, count) if labelled else None
    return in_memory(name, images, labels)


def blurred(original: keras.Model):
    """An encoder that is nearly the original."""

    def embed(images: np.ndarray) -> np.ndarray:
        exact = original.predict_on_batch(images)
        return unit(exact + 0.2 * np.sin(40 * exact)).astype(np.float32)

    return embed


@pytest.mark.parametrize("tested", [True, False])
@pytest.mark.parametrize("labelled", [True, False])
def test_figures_are_those_of_numpy(original, tested, labelled, capsys):
    train = split("train", 700, labelled)  # More than a batch.
    test = split("test", 90, labelled) if tested else None
    near = blurred(original)
    exported = {"same": original.predict_on_batch, "near": near}
    found = fidelity.measure(
        original,
        exported,
        ImageData("random", train, test),
        image_size=4,
        neighbours=5,
        temperature=0.2,
    )
    asked = test or train
    for name, encoder in exported.items():
        gallery = [f(train.images) for f in (encoder, exported["same"])]
        queries = [f(asked.images) for f in (encoder, exported["same"])]
        cosines = (queries[0] * queries[1]).sum(1)
        if tested:
            cosines = np.append(cosines, (gallery[0] * gallery[1]).sum(1))
        row = found[name]
        np.testing.assert_allclose(row["mean_cosine"], cosines.mean(), 1e-5)
        np.testing.assert_allclose(row["minimum_cosine"], cosines.min(), 1e-5)
        assert row["gallery_images"] == 700
        assert row["query_images"] == (90 if tested else 700)
        if not labelled:
            assert row["knn_top1"] is row["original_knn_top1"] is None
            assert row["knn_protocol"] is None
            continue
        tops = [
            weighted_knn(
                q, asked.labels, g, train.labels, neighbours=5,
                temperature=0.2, leave_one_out=not tested,
            ).top1
            for q, g in zip(queries, gallery, strict=True)
        ]  # fmt: skip
        assert [row["knn_top1"], row["original_knn_top1"]] == tops
        assert row["knn_protocol"]["K"] == 5
        assert ("leave one out" in row["knn_protocol"]["queries"]) != tested
    assert 0.5 < found["near"]["minimum_cosine"] < 0.999
    assert found["same"]["minimum_cosine"] > 0.99999
    assert "embed train 700/700" in capsys.readouterr().err
