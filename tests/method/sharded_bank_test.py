"""Trainings with a bank in parts, against one with the bank whole."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf import protocols
from and_tf.method.memory_bank import MemoryBank
from and_tf.method.sharded_bank import ShardedMemoryBank
from and_tf.training import trainer
from and_tf.training.callbacks.checkpointing import state
from and_tf.training.checkpoint import Checkpoint, Checkpoints
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from tests.method.model_test import blobs, epochs_of, mlp
from tests.on_replicas import on_replicas

EPOCHS, KEPT = 4, 2
BATCH, NUM = 32, 115  # Neither divides by two; the last batch has 19.


def build(sharded: bool) -> and_tf.AND:
    """The same model, under the strategy of the scope."""
    keras.utils.set_random_seed(5)
    model = and_tf.AND(
        mlp(10, 16, 8),
        NUM,
        neighbourhood_size=3,
        bank_initialiser="uniform",
        shard_bank=sharded,
        seed=5,
    )
    model.compile(keras.optimizers.SGD(0.03, momentum=0.9, nesterov=True))
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model: and_tf.AND, first: int = 0, keep: pathlib.Path | None = None):
    """Trains to the end; returns what a training consists of.

    Args:
        model: As `build` makes it.
        first: Epochs that it has had.
        keep: Where a checkpoint goes after `KEPT` of them.
    """

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if keep and epoch + 1 == KEPT:
                Checkpoints(keep).save(KEPT, state(self.model), {})

    x, _ = blobs(np.random.default_rng(0), NUM)
    order = np.stack(
        [np.random.default_rng(e).permutation(NUM) for e in range(EPOCHS)]
    )
    history = model.fit(
        epochs_of(x, order[first:], BATCH),
        initial_epoch=first,
        epochs=EPOCHS,
        steps_per_epoch=-(-NUM // BATCH),
        callbacks=[and_tf.Curriculum(2, 1, 2), Keep()],
        shuffle=False,
        verbose=0,
    )
    weights = {
        f"w{i}": np.array(w) for i, w in enumerate(model.encoder.weights)
    }
    return {
        "losses": history.history["loss"][KEPT - first :],
        "rows": np.array(model.bank.rows),
        "neighbours": np.array(model.neighbours),
        "selected": np.array(model.is_anchor),
        **weights,
    }


def assert_same(expected: dict, received: dict) -> None:
    """To 1e-5; neighbours and anchors exactly."""
    for name, array in expected.items():
        exact = name in ("neighbours", "selected")
        np.testing.assert_allclose(
            received[name], array, atol=0 if exact else 1e-5, err_msg=name
        )


def sharded(
    strategy: tf.distribute.Strategy, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """A whole training; what lies where; a file of weights."""
    with strategy.scope():
        model = build(sharded=True)
    assert isinstance(model.bank, ShardedMemoryBank)
    first = np.array(model.bank.rows)
    result = fit(model, keep=directory / "of_parts")
    parts = strategy.experimental_local_results(model.bank.shard.value)
    file = directory / "model.weights.h5"
    model.save_weights(file)
    model.bank.rows.assign(np.zeros_like(first))
    model.load_weights(file)
    return {
        **result,
        "first": first,
        "parts": np.stack([part.numpy() for part in parts]),
        "loaded": np.array(model.bank.rows),
    }


def resumed(
    strategy: tf.distribute.Strategy, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """The second half of a training that others began."""
    with strategy.scope():
        model = build(sharded=True)
    return taken_up(model, directory / "of_parts")


def taken_up(model: and_tf.AND, kept: pathlib.Path) -> dict[str, np.ndarray]:
    checkpoint = Checkpoints(kept).latest()
    for group, variables in state(model).items():
        checkpoint.restore(group, variables)
    return fit(model, first=KEPT)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("trainings")


@pytest.fixture(scope="module")
def whole(path) -> dict[str, np.ndarray]:
    """One replica, which has the whole bank whatever it is told."""
    model = build(sharded=True)
    assert isinstance(model.bank, MemoryBank)
    first = np.array(model.bank.rows)
    return {"first": first, **fit(model, keep=path / "of_one")}


@pytest.fixture(scope="module")
def on_four(path) -> dict[str, np.ndarray]:
    return on_replicas(sharded, 4, path)


def test_four_replicas_are_one_training(whole, on_four):
    assert whole["selected"].all() and whole["neighbours"].any()
    assert_same(whole, on_four)


def test_two_replicas_are_one_training(whole, tmp_path):
    assert_same(whole, on_replicas(sharded, 2, tmp_path))


def test_each_replica_holds_its_rows_alone(on_four):
    assert on_four["parts"].shape == (4, 29, 8)
    for replica, part in enumerate(on_four["parts"]):
        held = on_four["rows"][replica::4]
        np.testing.assert_array_equal(part[: len(held)], held)
        assert not part[len(held) :].any()


def test_a_checkpoint_holds_the_whole_bank(path, whole, on_four):
    del whole, on_four  # They write the checkpoints.
    of_one, of_parts = (
        np.load(Checkpoints(path / name).paths()[0])
        for name in ("of_one", "of_parts")
    )
    # Not by name: Keras numbers the layers that a process makes.
    for one, parts in zip(of_one.files[1:], of_parts.files[1:], strict=True):
        assert one.split("/")[:2] == parts.split("/")[:2]
        np.testing.assert_allclose(
            of_one[one], of_parts[parts], atol=1e-5, err_msg=one
        )


def test_a_training_goes_on_with_fewer_replicas(path, whole, on_four):
    del on_four
    of_two = on_replicas(resumed, 2, path)
    alone = taken_up(build(sharded=False), path / "of_parts")
    expected = {name: whole[name] for name in alone}
    assert_same(expected, of_two)
    assert_same(expected, alone)


def test_weights_go_through_a_file(path, on_four):
    np.testing.assert_array_equal(on_four["loaded"], on_four["rows"])
    model = build(sharded=False)
    model.load_weights(path / "model.weights.h5")
    np.testing.assert_array_equal(model.bank.rows, on_four["rows"])


def a_run(
    strategy: tf.distribute.Strategy, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """By its flags; its own strategy finds the same devices."""
    del strategy
    result = trainer.train(
        TrainConfig(
            dataset="digits",
            encoder="small",
            embedding_dim=16,
            rounds=1,
            epochs_per_round=1,
            batch_size=100,
            bank_initialiser="encoder",
            max_train_examples=311,
            max_test_examples=100,
            baselines=False,
            strategy="mirrored",
            shard_bank=True,
            run_dir=str(directory / "run"),
        )
    )
    return {
        name: np.array(result[name]) for name in ("epochs", "knn_top1_best")
    }


def test_a_run_is_evaluated_without_replicas(tmp_path):
    result = on_replicas(a_run, 2, tmp_path)
    assert result["epochs"] == 2
    again = Run(tmp_path / "run")
    assert isinstance(again.model.bank, MemoryBank)
    figures = protocols.evaluate(again, ["knn"])["knn"]
    path = again.directory.checkpoints.paths()[-1]
    assert Checkpoint(path).metadata["history"][-1][
        "knn_bank"
    ] == pytest.approx(figures["bank_top1"])
