"""Distillation: its losses against NumPy, its replicas, files and learning."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from and_tf.method.row_draws import draw_rows
from and_tf.pretexts.distillation import Distillation
from and_tf.pretexts.teacher_loss import LOSSES
from and_tf.pretexts.teacher_rows import averaged
from and_tf.utils.errors import InputError
from tests.conftest import unit
from tests.on_replicas import on_replicas

SIDE, DIM, NUM, BATCH, KEYS = 4, 5, 27, 8, 9
TAU, TEACHER_TAU = 0.2, 0.07


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


def rows() -> np.ndarray:
    rng = np.random.default_rng(2)
    return unit(rng.normal(size=(NUM, DIM))).astype(np.float32)


def make(loss: str, **changes) -> Distillation:
    keras.utils.set_random_seed(3)
    options = {
        "keys": KEYS, "temperature": TAU, "seed": 4,
        "teacher_temperature": TEACHER_TAU, **changes,
    }  # fmt: skip
    return Distillation(encoder(), rows(), loss=loss, **options)


def step(model, batch, sample_ids) -> dict[str, float]:
    """One training step, and the logs of it."""
    data = tf.data.Dataset.from_tensors((batch, sample_ids))
    history = model.fit(data, verbose=0).history
    return {name: values[0] for name, values in history.items()}


def oracle(
    loss: str, z: np.ndarray, ids: np.ndarray, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The losses and their gradients by z, in float64.

    Args:
        loss: The name of the loss.
        z: [B, D], of unit norm.
        ids: [B], the images' numbers.
        keys: [K], the numbers of the keys.

    Returns:
        [B] and [B, D].
    """
    t = rows().astype(np.float64)
    if loss == "cosine":
        return 1 - (z * t[ids]).sum(1), -t[ids]
    losses, gradients = [], []
    for one, i in zip(z, ids, strict=True):
        # The image itself takes part once, whether it was drawn or not.
        chosen = np.union1d(keys, [i])
        if loss == "instance":
            chosen = np.arange(NUM)
            target = (chosen == i).astype(np.float64)
        else:
            target = softmax(t[chosen] @ t[i] / TEACHER_TAU)
        logits = t[chosen] @ one / TAU
        losses.append(-(target * log_softmax(logits)).sum())
        gradients.append((softmax(logits) - target) @ t[chosen] / TAU)
    return np.array(losses), np.array(gradients)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_is_that_of_numpy(loss):
    model = make(loss)
    model.compile(keras.optimizers.SGD(1.0))
    (kernel,) = (v.numpy().astype(np.float64) for v in model.encoder.variables)
    keys = draw_rows(4, 0, NUM, KEYS).numpy()
    # One image among the keys and some that are not.
    ids = np.array([keys[2], *np.setdiff1d(np.arange(NUM), keys)[:5]])
    batch = images()[ids]
    logs = step(model, batch, ids)
    views = batch.reshape(len(batch), -1).astype(np.float64)
    raw = views @ kernel
    z = unit(raw)
    losses, by_z = oracle(loss, z, ids, keys)
    along = (by_z * z).sum(1, keepdims=True) * z
    by_raw = (by_z - along) / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(logs["loss"], losses.mean(), rtol=1e-5)
    cosine = (z * rows()[ids]).sum(1).mean()
    np.testing.assert_allclose(logs["cosine"], cosine, atol=1e-6)
    after = model.encoder.variables[0].numpy()
    np.testing.assert_allclose(
        kernel - after, views.T @ by_raw / len(ids), atol=2e-5
    )
    # What the teacher says has not moved.
    np.testing.assert_array_equal(model.teacher.rows, rows())
    assert [v.path for v in model.trainable_variables] == [
        v.path for v in model.encoder.trainable_variables
    ]


def test_similarity_to_all_rows_is_least_where_both_agree():
    """At the teacher's own rows and temperature; its entropy is left."""
    model = make("similarity", keys=NUM, temperature=TEACHER_TAU)
    at_rows, _ = model.teacher.losses(
        tf.constant(rows()), tf.range(NUM, dtype=tf.int64)
    )
    p = softmax(rows().astype(np.float64) @ rows().T / TEACHER_TAU, axis=1)
    np.testing.assert_allclose(at_rows, -(p * np.log(p)).sum(1), atol=1e-5)


def test_keys_follow_from_seed_and_step():
    drawn = [draw_rows(1, s, 1000, 64).numpy() for s in (5, 5, 6)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    assert (drawn[0] != draw_rows(2, 5, 1000, 64).numpy()).any()
    np.testing.assert_array_equal(draw_rows(1, 0, 7, 64), np.arange(7))
    compiled = tf.function(draw_rows, jit_compile=True)
    for steps in (tf.constant(5, tf.int64), tf.Variable(5, dtype=tf.int64)):
        # As in a step that XLA compiles, where random numbers are others.
        keys = compiled(1, tf.convert_to_tensor(steps), 1000, 64)
        np.testing.assert_array_equal(keys, drawn[0])


@pytest.mark.parametrize(("num", "count"), [(10, 3), (10, 9), (31, 1)])
def test_keys_are_distinct_and_equally_likely(num, count):
    total, draws = np.zeros(num), 1000
    draw = tf.function(draw_rows, autograph=False)
    for number in range(draws):
        keys = draw(0, tf.constant(number, tf.int64), num, count).numpy()
        assert len(np.unique(keys)) == count
        assert 0 <= keys.min() <= keys.max() < num
        total[keys] += 1
    # Six standard deviations of a binomial.
    share = count / num
    margin = 6 * np.sqrt(draws * share * (1 - share))
    np.testing.assert_allclose(total, draws * share, atol=margin)


def test_averaged_rows_are_means_of_neighbourhoods(rng):
    neighbours = np.stack([rng.choice(NUM, 3, False) for _ in range(NUM)])
    expected = unit(
        np.stack([rows()[[i, *neighbours[i]]].mean(axis=0) for i in range(NUM)])
    )
    np.testing.assert_allclose(
        averaged(rows(), neighbours), expected, atol=1e-6
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_goes_on_from_a_file_to_the_same_bits(loss, tmp_path):
    """With the rows, which its config does not have, and the same keys."""
    whole, first = make(loss), make(loss)
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
    assert whole.evaluate(
        images(), ids, verbose=0, return_dict=True
    ) == again.evaluate(images(), ids, verbose=0, return_dict=True)


def test_rows_stay_float32_where_the_network_is_half():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make("similarity")
        model.compile(keras.optimizers.SGD(0.1))
        logs = step(model, images(), np.arange(NUM))
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(logs["loss"])
    np.testing.assert_array_equal(model.teacher.rows, rows())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (unit(rows()[:, :4]), "dimensions"),
        (2 * rows(), "unit norm"),
        (rows() * np.nan, "unit norm"),
        (rows()[0], "array"),
        (np.array([["a"], ["b"]]), "array"),
    ],
)
def test_refuses_rows_that_are_none(given, message):
    with pytest.raises(InputError, match=message):
        Distillation(encoder(), given)


@pytest.mark.parametrize(
    ("option", "value"),
    [("loss", "huber"), ("keys", 0), ("teacher_temperature", np.nan)],
)
def test_refuses_arguments_out_of_range(option, value):
    with pytest.raises(InputError, match="Expected"):
        Distillation(encoder(), rows(), **{option: value})


def fit(loss: str, strategy: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """Three epochs, the last batch of each of three images."""
    with strategy.scope():
        model = make(loss)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    # As on several GPUs.
    model.compiles_locally = strategy.num_replicas_in_sync > 1
    data = tf.data.Dataset.from_tensor_slices((images(), np.arange(NUM)))
    history = model.fit(
        data.batch(BATCH), epochs=3, shuffle=False, verbose=0
    ).history
    return {
        f"{loss} loss": np.array(history["loss"]),
        f"{loss} cosine": np.array(history["cosine"]),
        f"{loss} kernel": np.asarray(model.encoder.variables[0]),
        f"{loss} rows": np.asarray(model.teacher.rows),
    }


def every_loss(strategy: tf.distribute.Strategy, path: pathlib.Path) -> dict:
    del path
    return {k: v for loss in LOSSES for k, v in fit(loss, strategy).items()}


def test_replicas_are_one_training(tmp_path):
    """Though the last batch is spread unevenly over them."""
    received = on_replicas(every_loss, 2, tmp_path)
    expected = every_loss(tf.distribute.get_strategy(), tmp_path)
    for name, value in expected.items():
        np.testing.assert_allclose(received[name], value, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_student_learns_digits_that_it_was_not_shown(loss):
    """From a teacher that is a PCA: of pixels whose mean each row has lost."""
    pixels = load_digits().images[:900].astype(np.float32) * 16
    flat = pixels.reshape(len(pixels), -1)
    taught = unit(PCA(8, random_state=0).fit_transform(flat))
    keras.utils.set_random_seed(0)
    layers = keras.layers
    student = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(64, "relu"),
            layers.Dense(8),
        ]
    )
    shown = np.repeat(pixels[..., None], 3, axis=-1)
    model = Distillation(student, taught[:600], loss=loss, keys=128)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))

    def cosine() -> float:
        found = model.predict(shown[600:], verbose=0)
        return (found * taught[600:]).sum(1).mean()

    before = cosine()
    model.fit(shown[:600], np.arange(600), epochs=8, verbose=0)
    assert before < 0.2
    assert cosine() > 0.6
