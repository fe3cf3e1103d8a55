"""The model as Keras' users use it: what works, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf.method.optimizers import CoupledSGD
from and_tf.method.rounds import RoundSchedule
from and_tf.pretexts.rotation import Rotation
from and_tf.utils.errors import InputError
from tests.conftest import unit

N, SIDE, DIM = 24, 8, 5
IMAGES = np.random.default_rng(0).integers(
    0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8
)
NUMBERS = np.arange(N)
LAYERS = keras.layers


def functional(outputs: int = 1) -> keras.Model:
    """An encoder with batch norm, so that more than weights has to be kept."""
    images = keras.Input((SIDE, SIDE, 3))
    x = LAYERS.Rescaling(1 / 255)(images)
    x = LAYERS.Flatten()(LAYERS.BatchNormalization()(x))
    found = [LAYERS.Dense(DIM)(x) for _ in range(outputs)]
    return keras.Model(images, found if outputs > 1 else found[0])


@keras.saving.register_keras_serializable(package="python_api_test")
class Subclassed(keras.Model):
    """An encoder whose shapes are known from its first call on."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.flatten, self.dense = LAYERS.Flatten(), LAYERS.Dense(DIM)

    def call(self, images):
        return self.dense(self.flatten(tf.cast(images, tf.float32) / 255))


def called(encoder: keras.Model) -> keras.Model:
    encoder(IMAGES[:2])
    return encoder


def sequential(*first) -> keras.Model:
    return keras.Sequential(
        [*first, LAYERS.Rescaling(1 / 255), LAYERS.Flatten(), LAYERS.Dense(DIM)]
    )


def model(
    make: Callable[[], keras.Model] = functional, **options
) -> and_tf.AND:
    keras.utils.set_random_seed(1)
    made = and_tf.AND(make(), N, seed=2)
    rate = RoundSchedule(0.1, "step", 3, 1, 2, 2)
    made.compile(CoupledSGD(rate), **options)
    made.optimizer.build(made.trainable_variables)
    return made


def batches(*parts) -> tf.data.Dataset:
    found = parts if len(parts) > 1 else parts[0]
    return tf.data.Dataset.from_tensor_slices(found).batch(8)


def fit(made, data=None, epochs=2, labels=None, callbacks=(), **options):
    """Trains with a round, on the right data unless others are given."""
    curriculum = and_tf.Curriculum(1, 2, 2, labels=labels)
    data = batches(IMAGES, NUMBERS) if data is None else data
    return made.fit(
        data,
        epochs=epochs,
        verbose=0,
        callbacks=[curriculum, *callbacks],
        **options,
    ).history


def values(made) -> list[np.ndarray]:
    """All that training changes."""
    return [np.array(v) for v in (*made.weights, *made.optimizer.variables)]


def assert_equal(some: list[np.ndarray], others: list[np.ndarray]) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "make",
    [
        functional,
        lambda: called(Subclassed()),
        lambda: sequential(keras.Input((SIDE, SIDE, 3))),
        lambda: called(sequential()),
        lambda: keras.Sequential([keras.Input((SIDE, SIDE, 3)), Subclassed()]),
    ],
    ids=["functional", "subclassed", "sequential", "called", "wrapped"],
)
def test_any_kind_of_encoder_trains(make):
    made = model(make)
    before = np.array(made.bank.rows)
    fit(made, epochs=1)
    assert (np.array(made.bank.rows) != before).any(axis=1).all()
    assert made.shapes.images == (None, SIDE, SIDE, 3)
    found = made.predict(IMAGES, verbose=0)
    expected = unit(made.encoder.predict(IMAGES, verbose=0))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def two_inputs() -> keras.Model:
    inputs = [keras.Input((2,)), keras.Input((2,))]
    return keras.Model(inputs, LAYERS.Add()(inputs))


class Failing(Subclassed):
    def call(self, images):
        raise ZeroDivisionError("nothing is divided by nothing")


def built(encoder: keras.Model, shape: tuple | None) -> keras.Model:
    """As if it were built, with a shape or without one."""
    encoder.built = True
    if shape:
        encoder.get_build_config = lambda: {"input_shape": shape}
    return encoder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: functional(2), r"one output \[B, D\].*2 outputs"),
        (lambda: keras.Sequential([LAYERS.ReLU()]), "unbuilt encoder"),
        (Subclassed, "call it once on a batch of images"),
        (lambda: built(Subclassed(), None), "input is not known. Give keras"),
        (lambda: built(Failing(), IMAGES.shape), "call ended in"),
        (two_inputs, "with 2 inputs"),
        (
            lambda: keras.Sequential([keras.Input((8, 8, 3)), LAYERS.ReLU()]),
            r"Received: \[None, 8, 8, 3\]",
        ),
        (lambda: unit, "Expected a Keras model or layer.*function"),
    ],
)
def test_refuses_encoders_without_one_embedding(make, message):
    with pytest.raises(InputError, match=message):
        and_tf.AND(make(), N)


def test_refuses_to_train_what_is_frozen():
    made = model()
    made.encoder.trainable = False
    made.compile("sgd")
    with pytest.raises(InputError, match="weights to train.*trainable = True"):
        fit(made)


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (batches({"image": IMAGES, "id": NUMBERS}), r"\{'image': uint8 \["),
        (
            batches(IMAGES, NUMBERS, np.ones(N)),
            r"int64 \[None\], float64 \[None\]",
        ),
        (batches(IMAGES), r"Received: uint8 \[None, 8, 8, 3\]"),
        (batches(IMAGES, NUMBERS / N), r"float64 \[None\]\)"),
        (batches(NUMBERS, IMAGES), r"\(int64 \[None\], uint8 \["),
        (batches(IMAGES, NUMBERS).unbatch(), r"int64 \[\]\)"),
        (batches({"image": IMAGES}, NUMBERS), "Expected images as one tensor"),
    ],
)
def test_refuses_elements_of_another_form(data, received):
    made = model()
    before = made.get_weights()
    with pytest.raises(InputError, match=received):
        fit(made, data.repeat(), steps_per_epoch=3)
    assert_equal(before, made.get_weights())


@pytest.mark.parametrize(
    ("sample_ids", "jit_compile", "message"),
    [
        (NUMBERS + 3, False, "from 0 to 23. Received: 3 of 24"),
        (NUMBERS + 3, True, "from 0 to 23. Received: 3 of 24"),
        (NUMBERS - 2, False, "from 0 to 23. Received: 2 of 8 "),
        (NUMBERS % 3, False, "3 different numbers for 8 images"),
        # Told by no batch, only by an epoch.
        (np.tile(np.arange(8), 3), False, "8 different numbers for 24 im"),
    ],
    ids=["beyond", "compiled", "negative", "classes", "many classes"],
)
def test_refuses_numbers_that_are_none_of_samples(
    sample_ids, message, jit_compile
):
    made = model(jit_compile=jit_compile)
    with pytest.raises(InputError, match=message):
        fit(made, batches(IMAGES, sample_ids), epochs=1)
    fit(made, epochs=1)  # The right ones are not held against the wrong.


def test_numbers_may_come_in_any_order_and_dtype_and_be_few():
    order = np.random.default_rng(1).permutation(N)
    fit(model(), batches(IMAGES[order], NUMBERS[order].astype(np.uint8)))
    # A part of the set, epoch after epoch.
    fit(model(), batches(IMAGES[:8], NUMBERS[:8].astype(np.int32)), epochs=4)
    # Some of them twice within a batch that goes over an epoch's end.
    data = tf.data.Dataset.from_tensor_slices((IMAGES, NUMBERS)).repeat()
    fit(model(), data.batch(20), steps_per_epoch=2)


def test_fit_takes_arrays():
    made = model()
    history = made.fit(IMAGES, NUMBERS, batch_size=8, epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert np.isfinite(made.train_on_batch(IMAGES[:8], NUMBERS[:8]))


@pytest.mark.parametrize(
    "option",
    [
        {"loss": "mse"},
        {"metrics": ["accuracy"]},
        {"weighted_metrics": ["accuracy"]},
        {"loss_weights": [1.0]},
    ],
)
def test_refuses_other_losses_and_metrics(option):
    with pytest.raises(InputError, match=f"no {next(iter(option))} in comp"):
        model().compile("sgd", **option)


def instance_loss(made) -> np.ndarray:
    """Equation 2 of all images, by NumPy in float64: [N]."""
    x = made.predict(IMAGES, verbose=0).astype(np.float64)
    logits = x @ np.asarray(made.bank.rows, np.float64).T / made.temperature
    return np.log(np.exp(logits).sum(1)) - np.diag(logits)


def test_evaluate_gives_the_instance_loss_and_changes_nothing():
    made = model()
    fit(made, epochs=3)
    assert np.asarray(made.is_anchor).all()  # Which evaluation passes over.
    before, expected = values(made), instance_loss(made)
    found = made.evaluate(batches(IMAGES, NUMBERS), verbose=0)
    np.testing.assert_allclose(found, expected.mean(), rtol=1e-5)
    few = made.evaluate(IMAGES[:3], NUMBERS[:3], verbose=0)
    np.testing.assert_allclose(few, expected[:3].mean(), rtol=1e-5)
    assert_equal(before, values(made))
    with pytest.raises(InputError, match="Received: 1 of 24"):
        made.evaluate(batches(IMAGES, NUMBERS + 1), verbose=0)
    with pytest.raises(InputError, match="Expected batches"):
        made.evaluate(batches(IMAGES), verbose=0)


def test_validation_is_an_evaluation_of_every_epoch():
    made = model()
    few = batches(IMAGES[:4], NUMBERS[:4])
    history = fit(made, epochs=8, validation_data=few)
    assert len(history["val_loss"]) == 8
    np.testing.assert_allclose(
        history["val_loss"][-1], instance_loss(made)[:4].mean(), rtol=1e-5
    )


@pytest.mark.parametrize(
    "labels",
    [
        [n % 3 for n in range(N)],
        tf.constant(NUMBERS % 3, tf.uint8),
        np.array([f"class {n % 3}" for n in range(N)]),
        np.array([f"class {n % 3}" for n in range(N)], object),
    ],
    ids=["list", "tensor", "strings", "objects"],
)
def test_labels_are_any_array(labels):
    made = model()
    history = fit(made, epochs=3, labels=labels)
    neighbours, classes = np.asarray(made.neighbours), NUMBERS % 3
    expected = (classes[neighbours] == classes[:, None]).mean()
    np.testing.assert_allclose(history["consistency"][-1], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(N + 5, int), "all 24 training images.*29 labels"),
        (np.eye(3)[NUMBERS % 3], r"whole numbers or strings.*float64 \[24, 3"),
        (NUMBERS / 2, r"Received: float64 \[24\]"),
        ([None, 1] * (N // 2), r"Received: object \[24\]"),
        ([[1], [2, 3]], "Received: list"),
    ],
)
def test_refuses_labels_before_training(labels, message):
    made = model()
    before = values(made)
    with pytest.raises(InputError, match=message):
        fit(made, labels=labels)
    assert_equal(before, values(made))


def test_refuses_rounds_of_what_has_no_bank():
    made = Rotation(functional(), N)
    made.compile("sgd")
    with pytest.raises(InputError, match="memory bank.*Rotation"):
        fit(made)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (batches(IMAGES), "Expected batches"),
        (batches(IMAGES, NUMBERS + 1), "Received: 1 of 24"),
    ],
)
def test_refuses_to_fill_the_bank_with_something_else(images, message):
    with pytest.raises(InputError, match=message):
        model().fill_bank(images)
