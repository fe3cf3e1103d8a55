"""The fine-tuned model: its two rates, its schedule, and Keras' files."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf import encoders
from and_tf.finetuning.model import FineTuner, compiled, schedule, trunk_of


@pytest.fixture
def model(rng) -> FineTuner:
    keras.utils.set_random_seed(0)
    trunk = trunk_of(encoders.build("small", 8, 16, width=0.5))
    made = FineTuner(trunk, [0, 1, 2, 1], 3, seed=0)
    made.classifier.kernel.assign(
        rng.normal(size=(made.shapes.embedding_dim, 3))
    )
    return compiled(
        made,
        learning_rate=1e-3,
        head_learning_rate=1e-2,
        weight_decay=0.0,
        steps=3,
    )


@pytest.fixture
def batch(rng) -> tuple[tf.Tensor, tf.Tensor]:
    images = rng.integers(0, 256, (4, 8, 8, 3)).astype(np.float32)
    return tf.constant(images), tf.range(4)


def test_rates_rise_and_fall_by_a_cosine():
    rate = schedule(2.0, 100)
    steps = np.arange(101)
    fall = 1 + np.cos(np.pi * (steps - 10) / 90)
    expected = np.where(steps < 10, 2.0 * steps / 10, fall)
    found = [float(rate(step)) for step in steps]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_head_has_a_rate_of_its_own(model, batch):
    """Adam's first step has the length of the rate, whatever the gradient."""
    model.optimizer._learning_rate = keras.Variable(1e-3, trainable=False)
    before = [np.array(v) for v in model.trainable_variables]
    model.train_step(batch)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        moved = np.abs(np.array(variable) - old).max()
        rate = 1e-2 if "classifier" in variable.path else 1e-3
        assert moved == pytest.approx(rate, rel=1e-2), variable.path


def test_the_classifier_sees_features_as_they_are(model, batch):
    features = model.encoder.predict(batch[0], verbose=0)
    np.testing.assert_allclose(
        model.predict(batch[0], verbose=0), features, rtol=1e-5
    )
    kernel, bias = map(np.array, model.classifier.weights)
    np.testing.assert_allclose(
        model.logits(features), features @ kernel + bias, rtol=1e-5
    )


def test_goes_through_a_file_and_trains_on(model, batch, tmp_path):
    model.train_step(batch)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.freeze_statistics and again.num_classes == 3
    for one in (model, again):
        one.reset_metrics()
        one.train_step(batch)
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=one.path)
