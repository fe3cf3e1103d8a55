"""The whole method, against the authors' own training and its invariants."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf.method.optimizers import CoupledSGD
from and_tf.utils.errors import InputError


def mlp(dim_in: int, hidden: int, dim_out: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((dim_in,)),
            keras.layers.Dense(hidden, "relu"),
            keras.layers.Dense(dim_out),
        ]
    )


def epochs_of(x: np.ndarray, order: np.ndarray, batch: int) -> tf.data.Dataset:
    """Batches (x, numbers), an epoch's order a row of `order` [E, N]."""
    sample_ids = tf.data.Dataset.from_tensor_slices(order).flat_map(
        lambda epoch: tf.data.Dataset.from_tensor_slices(epoch).batch(batch)
    )
    return sample_ids.map(lambda n: (tf.gather(x, n), n))


class StepLosses(keras.callbacks.Callback):
    """Losses of single steps from the running mean that Keras reports."""

    def __init__(self):
        super().__init__()
        self.losses, self.anchors = [], []
        self.neighbours = []

    def on_train_batch_end(self, batch, logs=None):
        done = [] if batch == 0 else self._epoch
        self._epoch = [*done, logs["loss"] * (batch + 1) - sum(done)]

    def on_epoch_end(self, epoch, logs=None):
        self.losses += self._epoch
        self.anchors.append(np.flatnonzero(self.model.is_anchor))


def test_reproduces_the_authors_training(golden):
    g = golden("trajectory")
    epochs, num = g["order"].shape
    rounds, batch = 4, 24
    encoder = mlp(20, 24, 16)
    encoder.set_weights([g["w1"], g["b1"], g["w2"], g["b2"]])
    model = and_tf.AND(
        encoder,
        num,
        temperature=float(g["temperature"]),
        memory_momentum=1.0 - float(g["memory_momentum"]),
    )
    model.bank.rows.assign(g["memory_initial"])
    model.compile(
        CoupledSGD(
            float(g["learning_rate"]),
            momentum=float(g["sgd_momentum"]),
            weight_decay=float(g["weight_decay"]),
        )
    )
    found, watch = [], StepLosses()
    curriculum = and_tf.Curriculum(
        rounds, epochs // (rounds + 1), on_discovery=found.append
    )
    model.fit(
        epochs_of(g["x"], g["order"], batch),
        epochs=epochs,
        steps_per_epoch=num // batch,
        callbacks=[curriculum, watch],
        verbose=0,
    )
    np.testing.assert_allclose(watch.losses, g["losses"], atol=1e-4)
    for r, discovered in enumerate(found, 1):
        np.testing.assert_allclose(
            discovered.entropy, g[f"round{r}_entropy"], atol=1e-4
        )
        anchors = g[f"round{r}_anchors"]
        np.testing.assert_array_equal(
            np.flatnonzero(discovered.is_anchor), np.sort(anchors)
        )
        np.testing.assert_array_equal(
            discovered.neighbours[anchors], g[f"round{r}_neighbours"]
        )
    assert len(found) == rounds
    np.testing.assert_allclose(model.bank.rows, g["memory_final"], atol=1e-4)
    for weight, name in zip(
        encoder.weights, ("w1", "b1", "w2", "b2"), strict=True
    ):
        np.testing.assert_allclose(weight, g[f"{name}_final"], atol=1e-4)


def blobs(rng, num=120, classes=4, dim=10):
    """Points around `classes` centres, and which centre."""
    labels = rng.integers(0, classes, num)
    centres = 3 * rng.normal(size=(classes, dim))
    return (centres[labels] + rng.normal(size=(num, dim))).astype(
        np.float32
    ), labels


def trained(x, labels=None, epochs=6, seed=3, **curriculum):
    keras.utils.set_random_seed(seed)
    model = and_tf.AND(mlp(10, 16, 8), len(x), seed=seed)
    model.compile(keras.optimizers.SGD(0.03, momentum=0.9, nesterov=True))
    order = np.stack(
        [np.random.default_rng(e).permutation(len(x)) for e in range(epochs)]
    )
    history = model.fit(
        epochs_of(x, order, 32),
        epochs=epochs,
        steps_per_epoch=-(-len(x) // 32),
        callbacks=[and_tf.Curriculum(labels=labels, **curriculum)],
        verbose=0,
    )
    return model, history.history


def test_learns_and_logs_rounds(rng):
    x, labels = blobs(rng)
    model, history = trained(
        x, labels, rounds=2, epochs_per_round=2, initial_epochs=2
    )
    assert history["round"] == [0, 0, 1, 1, 2, 2]
    assert history["anchors"] == [0, 0, 60, 60, 120, 120]
    assert history["consistency"][-1] > 0.9  # the blobs are far apart
    assert np.mean(history["loss"][4:]) < np.mean(history["loss"][:2])
    embeddings = model.predict(x, verbose=0)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_labels_change_nothing_but_the_logs(rng):
    x, labels = blobs(rng)
    plan = {"rounds": 2, "epochs_per_round": 2, "initial_epochs": 2}
    with_labels, _ = trained(x, labels, **plan)
    without, history = trained(x, None, **plan)
    for a, b in zip(with_labels.variables, without.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert "consistency" not in history


def test_one_off_selects_all_once(rng):
    x, _ = blobs(rng)
    seen = []
    _, history = trained(
        x,
        rounds=2,
        epochs_per_round=2,
        initial_epochs=2,
        selection="one_off",
        on_discovery=seen.append,
    )
    assert history["anchors"] == [0, 0, 120, 120, 120, 120]
    assert [found.round for found in seen] == [1]


def test_random_start_searches_the_untrained_encoders_features(rng):
    x, _ = blobs(rng)
    images = tf.data.Dataset.from_tensor_slices((x, np.arange(len(x))))
    keras.utils.set_random_seed(3)
    first = mlp(10, 16, 8)(x).numpy()
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    similarity = first @ first.T
    np.fill_diagonal(similarity, -1)
    seen = []
    trained(
        x,
        epochs=2,
        rounds=1,
        epochs_per_round=2,
        initial_epochs=0,
        images=images.batch(50),
        on_discovery=seen.append,
    )
    np.testing.assert_array_equal(
        seen[0].neighbours[:, 0], similarity.argmax(1)
    )
    with pytest.raises(InputError, match="Expected `images`"):
        and_tf.Curriculum(1, 1, 0)


def test_fit_traces_once(rng):
    """A refresh assigns variables of fixed shape: nothing is traced again."""
    x, _ = blobs(rng, num=128)
    traces = []

    class Counting(and_tf.AND):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

    model = Counting(mlp(10, 16, 8), 128)
    model.compile("sgd")
    order = np.stack([np.arange(128)] * 4)
    model.fit(
        epochs_of(x, order, 32),
        epochs=4,
        steps_per_epoch=4,
        callbacks=[and_tf.Curriculum(3, 1, 1)],
        verbose=0,
    )
    assert len(traces) == 1


def test_weights_go_through_a_file(rng, tmp_path):
    x, _ = blobs(rng)
    model, _ = trained(x, rounds=2, epochs_per_round=2, initial_epochs=2)
    model.save_weights(tmp_path / "model.weights.h5")
    again = and_tf.AND(mlp(10, 16, 8), len(x))
    again.load_weights(tmp_path / "model.weights.h5")
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert {"rows", "neighbours", "selected"} <= {
        v.name for v in model.non_trainable_variables
    }


@pytest.mark.parametrize(
    ("encoder", "num", "options", "message"),
    [
        (keras.Sequential([keras.layers.Dense(3)]), 9, {}, "built encoder"),
        (mlp(4, 4, 4), 1, {}, "2 or more training images. Received: 1"),
        (mlp(4, 4, 4), 9, {"neighbourhood_size": 9}, "from 1 to 8.*: 9"),
        (mlp(4, 4, 4), 9.0, {}, "2 or more training images. Received: 9.0"),
        (mlp(4, 4, 4), 9, {"neighbourhood_size": 1.5}, "from 1 to 8.*: 1.5"),
        (mlp(4, 4, 4), 9, {"temperature": 0.0}, "above 0. Received: 0.0"),
        (mlp(4, 4, 4), 9, {"temperature": float("inf")}, "finite.*: inf"),
        (mlp(4, 4, 4), 9, {"temperature": float("nan")}, "finite.*: nan"),
    ],
)
def test_refuses(encoder, num, options, message):
    with pytest.raises(InputError, match=message):
        and_tf.AND(encoder, num, **options)
