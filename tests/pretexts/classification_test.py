"""Training steps of classifiers, against closed forms and more replicas."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf.pretexts.classification import Classification
from and_tf.pretexts.rotation import Rotation, turned
from and_tf.pretexts.supervised import Supervised
from and_tf.utils.errors import InputError
from tests.conftest import unit
from tests.on_replicas import on_replicas

SIDE, DIM, CLASSES, NUM, BATCH = 4, 5, 3, 27, 8
TEMPERATURE = 0.2


def encoder() -> keras.Model:
    """[B, 4, 4, 3] to [B, 5], linear."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Flatten(),
            layers.Dense(DIM, use_bias=False),
        ]
    )


def images() -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(size=(NUM, SIDE, SIDE, 3)).astype(np.float32)


def some_labels() -> np.ndarray:
    """Of three classes; every fourth unknown."""
    labels = np.random.default_rng(2).integers(0, CLASSES, NUM)
    labels[::4] = -1
    return labels


def make(kind: str) -> Classification:
    keras.utils.set_random_seed(3)
    options = {"temperature": TEMPERATURE, "seed": 4}
    if kind == "rotation":
        return Rotation(encoder(), NUM, **options)
    return Supervised(encoder(), some_labels(), **options)


def step(
    model: Classification, batch: np.ndarray, sample_ids: np.ndarray
) -> dict[str, float]:
    """One training step, and the logs of it."""
    data = tf.data.Dataset.from_tensors((batch, sample_ids))
    history = model.fit(data, verbose=0).history
    return {name: values[0] for name, values in history.items()}


def cross_entropy(
    views: np.ndarray, classes: np.ndarray, kernel: np.ndarray, w: np.ndarray
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Loss, accuracy and gradients of encoder and classifier, in NumPy.

    Args:
        views: [V, P] of those that have a class.
        classes: [V].
        kernel: [P, D] of a linear encoder.
        w: [C, D] of the classifier.
    """
    e = views @ kernel
    x, direction = unit(e), unit(w)
    logits = x @ direction.T / TEMPERATURE
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = np.eye(len(w))[classes]
    error = (p - y) / TEMPERATURE / len(views)

    def before_norm(gradient, raw, normed):
        """Through v / ‖v‖: what lies along v changes nothing."""
        along = (gradient * normed).sum(1, keepdims=True) * normed
        return (gradient - along) / np.linalg.norm(raw, axis=1, keepdims=True)

    return (
        -np.log((p * y).sum(1)).mean(),
        (p.argmax(1) == classes).mean(),
        views.T @ before_norm(error @ direction, e, x),
        before_norm(error.T @ x, w, direction),
    )


@pytest.mark.parametrize("kind", ["supervised", "rotation"])
def test_a_step_is_that_of_the_closed_form(kind):
    model = make(kind)
    model.compile(keras.optimizers.SGD(1.0))
    before = [w.numpy().astype(np.float64) for w in model.trainable_variables]
    sample_ids = np.array([3, 8, 0, 5, 12, 21])  # 0, 8 and 12 have no label.
    batch = images()[sample_ids]
    logs = step(model, batch, sample_ids)
    if kind == "supervised":
        classes = some_labels()[sample_ids]
        views, classes = batch[classes >= 0], classes[classes >= 0]
        assert len(views) == 3
    else:
        views = np.concatenate([np.rot90(batch, k, (1, 2)) for k in range(4)])
        classes = np.repeat(range(4), 6)
    loss, accuracy, of_kernel, of_w = cross_entropy(
        views.reshape(len(views), -1), classes, *before
    )
    after = [w.numpy() for w in model.trainable_variables]
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(logs["accuracy"], accuracy, rtol=1e-6)
    np.testing.assert_allclose(before[0] - after[0], of_kernel, atol=1e-5)
    np.testing.assert_allclose(before[1] - after[1], of_w, atol=1e-5)


def test_a_batch_without_labels_changes_nothing():
    model = make("supervised")
    model.compile(keras.optimizers.SGD(1.0))
    before = [w.numpy() for w in model.trainable_variables]
    sample_ids = np.array([0, 4, 8])
    logs = step(model, images()[sample_ids], sample_ids)
    assert (logs["loss"], logs["accuracy"]) == (0, 0)
    for was, now in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(was, now)


def test_turns_are_those_of_numpy():
    batch = images()[:5]
    for call in (turned, tf.function(turned)):
        views, classes = call(batch)
        for k in range(4):
            np.testing.assert_array_equal(
                views[5 * k : 5 * k + 5], np.rot90(batch, k, (1, 2))
            )
        np.testing.assert_array_equal(classes, np.repeat(range(4), 5))


def test_own_accuracy_leaves_out_what_has_no_label():
    model = make("supervised")
    w = unit(np.asarray(model.classifier.directions))
    assert model.top1(w[[0, 1, 2, 2]], np.array([0, 1, 0, -1])) == 2 / 3
    assert model.top1(w[:1], np.array([-1])) is None


@pytest.mark.parametrize(("more", "count"), [((), 3), ((7,), 7)])
def test_classes_may_be_more_than_were_seen(more, count):
    model = Supervised(encoder(), np.array([0, 2, -1]), *more)
    assert model.classifier.directions.shape == (count, DIM)


@pytest.mark.parametrize("labels", [[-1, -1, -1], [1, 1, -1]])
def test_refuses_what_is_not_two_classes(labels):
    with pytest.raises(InputError, match="labels of 2 or more classes"):
        Supervised(encoder(), np.array(labels))


def fit(kind: str, strategy: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """Three epochs, the last batch of each of three images."""
    with strategy.scope():
        model = make(kind)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    data = tf.data.Dataset.from_tensor_slices((images(), np.arange(NUM)))
    history = model.fit(
        data.batch(BATCH), epochs=3, shuffle=False, verbose=0
    ).history
    return {
        "loss": np.array(history["loss"]),
        "accuracy": np.array(history["accuracy"]),
        "kernel": np.asarray(model.encoder.variables[0]),
        "directions": np.asarray(model.classifier.directions),
    }


def supervised(strategy: tf.distribute.Strategy, path: pathlib.Path) -> dict:
    del path
    return fit("supervised", strategy)


def rotation(strategy: tf.distribute.Strategy, path: pathlib.Path) -> dict:
    del path
    return fit("rotation", strategy)


@pytest.mark.parametrize("function", [supervised, rotation])
def test_replicas_are_one_training(function, tmp_path):
    """Though labelled images are spread unevenly over them."""
    received = on_replicas(function, 2, tmp_path)
    expected = function(tf.distribute.get_strategy(), tmp_path)
    for name, value in expected.items():
        np.testing.assert_allclose(received[name], value, atol=1e-5)
