"""AND beside a teacher: its step against NumPy, its replicas and its files."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf.method.row_draws import draw_rows
from and_tf.pretexts.taught import TaughtAND
from and_tf.pretexts.teacher_loss import LOSSES, TeacherLoss
from and_tf.search.nearest import nearest
from and_tf.utils.errors import InputError
from tests.conftest import unit
from tests.method.loss_test import oracle as oracle_of_and
from tests.on_replicas import on_replicas
from tests.pretexts import distillation_test as distilled
from tests.pretexts.distillation_test import (
    BATCH,
    KEYS,
    NUM,
    TAU,
    TEACHER_TAU,
    images,
    rows,
)

WEIGHT, SEED = 3.0, 4


def make(loss: str, **changes) -> TaughtAND:
    keras.utils.set_random_seed(3)
    teacher = TeacherLoss(
        rows(), loss=loss, keys=KEYS, temperature=TAU,
        teacher_temperature=TEACHER_TAU, seed=SEED,
    )  # fmt: skip
    options = {"weight": WEIGHT, "temperature": TAU, "seed": 5, **changes}
    return TaughtAND(distilled.encoder(), teacher, **options)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_is_the_sum_of_both_of_numpy(loss, rng):
    model = make(loss, neighbourhood_size=2)
    model.compile(keras.optimizers.SGD(1.0))
    neighbours = rng.integers(0, NUM, (NUM, 2))
    is_anchor = rng.random(NUM) < 0.5
    model.neighbours.assign(neighbours)
    model.is_anchor.assign(is_anchor)
    bank = np.array(model.bank.rows)
    kernel = model.encoder.variables[0].numpy().astype(np.float64)
    ids = rng.permutation(NUM)[:BATCH]
    assert 0 < is_anchor[ids].sum() < BATCH
    batch = images()[ids]
    logs = distilled.step(model, batch, ids)

    views = batch.reshape(BATCH, -1).astype(np.float64)
    raw = views @ kernel
    z = unit(raw)
    own, by_own = oracle_of_and(z, ids, bank, neighbours, is_anchor, TAU)
    keys = draw_rows(SEED, 0, NUM, KEYS).numpy()
    taught, by_taught = distilled.oracle(loss, z, ids, keys)
    by_z = by_own + WEIGHT * by_taught
    along = (by_z * z).sum(1, keepdims=True) * z
    by_raw = (by_z - along) / np.linalg.norm(raw, axis=1, keepdims=True)
    expected = {
        "loss": (own + WEIGHT * taught).mean(),
        "and_loss": own.mean(),
        "teacher_loss": taught.mean(),
        "cosine": (z * rows()[ids]).sum(1).mean(),
    }
    assert logs == pytest.approx(expected, abs=1e-5, rel=1e-5)
    np.testing.assert_allclose(
        kernel - model.encoder.variables[0].numpy(),
        views.T @ by_raw / BATCH,
        atol=5e-5,
    )
    # The bank has the student's embeddings, and the teacher's have not moved.
    bank[ids] = unit(0.5 * bank[ids] + 0.5 * z)
    np.testing.assert_allclose(model.bank.rows, bank, atol=1e-6)
    np.testing.assert_array_equal(model.teacher.rows, rows())


def test_an_evaluation_leaves_neighbours_out(rng):
    model = make("cosine")
    model.compile(keras.optimizers.SGD(0.1))
    bank = np.array(model.bank.rows)
    model.is_anchor.assign(np.ones(NUM, bool))
    ids = np.arange(NUM)
    logs = model.evaluate(images(), ids, verbose=0, return_dict=True)
    z = model.predict(images(), verbose=0)
    none = np.zeros(NUM, bool)
    own, _ = oracle_of_and(z, ids, bank, np.zeros((NUM, 1), int), none, TAU)
    cosine = (z * rows()).sum(1).mean()
    expected = {
        "loss": own.mean() + WEIGHT * (1 - cosine), "and_loss": own.mean(),
        "teacher_loss": 1 - cosine, "cosine": cosine,
    }  # fmt: skip
    assert logs == pytest.approx(expected, abs=1e-5, rel=1e-5)


def test_goes_on_from_a_file_to_the_same_bits(tmp_path):
    """With the teacher's rows, and the same keys."""
    whole, first = make("similarity"), make("similarity")
    for model in (whole, first):
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    ids = np.arange(NUM)
    whole.fit(images(), ids, epochs=2, shuffle=False, verbose=0)
    first.fit(images(), ids, shuffle=False, verbose=0)
    first.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    again.fit(images(), ids, shuffle=False, verbose=0)
    np.testing.assert_array_equal(again.teacher.rows, rows())
    for one, other in zip(whole.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    configs = [m.get_config() | {"encoder": None} for m in (whole, again)]
    assert configs[0] == configs[1]


def fit(
    sharded: bool, strategy: tf.distribute.Strategy
) -> dict[str, np.ndarray]:
    """Two rounds in the teacher's rows; the last batch has three images."""
    with strategy.scope():
        model = make("similarity", shard_bank=sharded)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    # As on several GPUs.
    replicas = strategy.num_replicas_in_sync
    model.compiles_locally = replicas > 1 and not sharded
    data = tf.data.Dataset.from_tensor_slices((images(), np.arange(NUM)))
    history = model.fit(
        data.batch(BATCH),
        epochs=3,
        shuffle=False,
        callbacks=[and_tf.Curriculum(2, 1, 1, rows=rows())],
        verbose=0,
    ).history
    return {
        **{name: np.array(values) for name, values in history.items()},
        "bank": np.asarray(model.bank.rows),
        "kernel": np.asarray(model.encoder.variables[0]),
        "neighbours": np.asarray(model.neighbours),
    }


def both_banks(
    strategy: tf.distribute.Strategy, path: pathlib.Path
) -> dict[str, np.ndarray]:
    del path
    return {
        f"{sharded} {name}": value
        for sharded in (False, True)
        for name, value in fit(sharded, strategy).items()
    }


def test_replicas_are_one_training(tmp_path):
    """With a bank on each of them, and with a bank in parts."""
    received = on_replicas(both_banks, 2, tmp_path)
    expected = fit(False, tf.distribute.get_strategy())
    np.testing.assert_array_equal(
        expected["neighbours"], nearest(rows(), rows(), 1, exclude_self=True)[1]
    )
    assert {"and_loss", "teacher_loss", "cosine", "loss"} < set(expected)
    for name, value in expected.items():
        for sharded in (False, True):
            np.testing.assert_allclose(
                received[f"{sharded} {name}"], value, atol=1e-5, err_msg=name
            )


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_refuses_a_weight_that_is_none(weight):
    with pytest.raises(InputError, match="Expected a finite weight"):
        make("cosine", weight=weight)


def test_refuses_a_student_of_other_dimensions():
    teacher = TeacherLoss(rows()[:, :1] * 0)
    with pytest.raises(InputError, match="which have 1. Received .* 5 dim"):
        TaughtAND(distilled.encoder(), teacher)
