"""SCAN's models in files: what is saved and loaded is the same model."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf import encoders
from and_tf.method.optimizers import CoupledAdam
from and_tf.scan.frozen_features import Moments
from and_tf.scan.scan_model import SCAN
from and_tf.scan.self_label_model import SelfLabeller
from and_tf.scan.temi_model import TEMI
from tests.method.python_api_test import assert_equal, values

SIDE, VIEW, N = 12, 8, 12


def clustering(kind: type[SCAN] = SCAN, **options) -> SCAN:
    keras.utils.set_random_seed(4)
    encoder = encoders.build("small", SIDE, embedding_dim=8, width=0.25)
    options = {"heads": 2, "entropy_weight": 2.0, "view_size": VIEW} | options
    return kind(encoder, 3, **options)


def standardised() -> SCAN:
    model = clustering(TEMI, freeze=True, standardise=True, beta=0.7)
    mean = np.linspace(0, 1, model.trunk.output_shape[-1], dtype=np.float32)
    model.set_moments(Moments(mean, np.float32(0.5)))
    return model


def labeller(**options) -> SelfLabeller:
    return SelfLabeller(clustering(), 1, threshold=0.1, **options)


MODELS = {
    "SCAN": clustering,
    "frozen SCAN of embeddings": lambda: clustering(
        features="embedding", freeze=True
    ),
    "TEMI": lambda: clustering(TEMI),
    "standardised TEMI": standardised,
    "SelfLabeller": lambda: labeller(decay=0.5),
    "frozen SelfLabeller": lambda: labeller(balanced=False, freeze=True),
}


def compiled(make: Callable[[], SCAN]) -> SCAN:
    model = make()
    model.compile(CoupledAdam(1e-2))
    return model


def fit(model: SCAN, first_epoch: int, epochs: int, **options) -> None:
    pairs = np.random.default_rng(2).uniform(0, 255, (2, N, VIEW, VIEW, 3))
    pairs = tuple(pairs.astype(np.float32))
    data = tf.data.Dataset.from_tensor_slices(pairs).batch(4)
    model.fit(
        data, initial_epoch=first_epoch, epochs=epochs, verbose=0, **options
    )


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_loaded_model_is_the_same_and_goes_on_to_the_same_bits(
    make: Callable[[], SCAN], tmp_path: pathlib.Path
) -> None:
    whole, part, path = compiled(make), compiled(make), tmp_path / "m.keras"
    fit(whole, 0, 2)
    fit(part, 0, 1, callbacks=[keras.callbacks.ModelCheckpoint(path)])
    again = keras.models.load_model(path)
    assert type(again) is type(part)
    configs = [m.get_config() | {"encoder": None} for m in (again, part)]
    assert configs[0] == configs[1]
    assert_equal(values(again), values(part))
    for side in (SIDE, VIEW):
        images = np.random.default_rng(3).uniform(0, 255, (N, side, side, 3))
        np.testing.assert_array_equal(
            again.predict(images, verbose=0), part.predict(images, verbose=0)
        )
    with again.averaged(), part.averaged():
        assert_equal(values(again), values(part))
    fit(again, 1, 2)
    assert_equal(values(again), values(whole))


def test_precision_goes_through_a_file(tmp_path: pathlib.Path) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        made = clustering()
    finally:
        keras.config.set_dtype_policy("float32")
    made.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.dtype_policy.name == "mixed_bfloat16"
    images = np.random.default_rng(3).uniform(0, 255, (N, SIDE, SIDE, 3))
    np.testing.assert_array_equal(
        again.predict(images, verbose=0), made.predict(images, verbose=0)
    )
