"""Whole runs on small real images: what they write, resume and refuse."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
import shutil
import signal

import keras
import numpy as np
import pytest
from PIL import Image

from and_tf import fitting, run, summary, trained
from and_tf.config import TrainConfig, from_flagfile
from and_tf.errors import InputError, Interrupted
from and_tf.evaluation import protocols
from and_tf.evaluation.knn import weighted_knn
from and_tf.run_directory import RunDirectory
from tests.same_run import assert_same_run


@pytest.fixture(autouse=True)
def default_precision():
    yield
    keras.config.set_dtype_policy("float32")


def digits(tmp_path, name="run", **changes) -> TrainConfig:
    """A run of seconds."""
    return TrainConfig(
        **{
            "dataset": "digits",
            "backbone": "small",
            "embedding_dim": 32,
            "rounds": 2,
            "epochs_per_round": 2,
            "batch_size": 100,
            "bank_initialiser": "encoder",
            "max_train_examples": 450,
            "max_test_examples": 150,
            "run_dir": str(tmp_path / name),
            **changes,
        }
    )


def evaluate_knn(again: trained.Trained) -> dict:
    return protocols.evaluate(again, ["knn"])["knn"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished run, its config and its result."""
    config = digits(tmp_path_factory.mktemp("finished"))
    return config, run.train(config), RunDirectory(config.run_directory)


def test_result_has_what_is_promised(finished):
    config, result, directory = finished
    assert json.loads(directory.result.read_text()) == result
    assert result["dataset"] == "digits"
    assert result["epochs"] == 6
    assert (result["seconds"], result["train_images_per_second"]) > (0, 0)
    assert result["knn_protocol"]["K"] == 200
    assert set(result["knn_baselines"]) == {"raw pixels", "untrained encoder"}
    rounds = result["neighbourhoods"]
    assert [r["round"] for r in rounds] == [0, 1, 2]
    assert [r["selected"] for r in rounds] == [0, 225, 450]
    assert rounds[1]["consistency"] > rounds[1]["consistency_all"] > 0.3
    assert set(result["versions"]) >= {"tensorflow", "keras", "keras-cv"}


def test_directory_has_what_is_promised(finished):
    config, result, directory = finished
    assert from_flagfile(TrainConfig, directory.flagfile) == config
    with open(directory.metrics, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == list("012345")
    best = max(float(row["knn_bank"]) for row in rows)
    assert best == result["knn_top1_best"]
    assert float(rows[-1]["knn_clean"]) == result["knn_top1_last"]
    for path in (directory.curves, directory.gallery(2)):
        with Image.open(path) as picture:
            assert min(picture.size) > 100
    found = directory.read_neighbourhoods(1)
    assert found.neighbours.shape == (450, 1)
    assert found.selected.sum() == 225
    assert list(directory.tensorboard.glob("events.out.tfevents.*"))


def test_learns(finished):
    """Better than the untrained encoder."""
    _, result, _ = finished
    assert (
        result["knn_top1_last"] > result["knn_baselines"]["untrained encoder"]
    )


def test_evaluation_agrees_with_the_training(finished):
    config, result, _ = finished
    again = trained.load(config.run_directory)
    figures = evaluate_knn(again)
    assert figures["clean_top1"] == result["knn_top1_last"]
    written = json.loads((config.run_directory / "result.json").read_text())
    assert written["evaluation"]["knn"] == figures
    # And with a plain count over the model's own predictions.
    predict = lambda split: again.model.predict(split.images, verbose=0)  # noqa: E731
    train, test = again.images.train, again.images.test
    expected = weighted_knn(
        predict(test), test.labels, predict(train), train.labels
    )
    assert figures["clean_top1"] == expected.top1


class Stop(keras.callbacks.Callback):
    """Ends a process' training as a kill would, before or after a step."""

    class Interruption(Exception):
        pass

    def __init__(self, epoch, step=0):
        super().__init__()
        self._epoch, self._step = epoch, step

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch
        if epoch == self._epoch and not self._step:
            raise self.Interruption

    def on_train_batch_end(self, batch, logs=None):
        if (self._now, batch + 1) == (self._epoch, self._step):
            raise self.Interruption


def test_an_encoder_is_restored_without_its_data(finished):
    config, _, _ = finished
    alone = trained.load_encoder(config.run_directory)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    assert (alone.image_size, alone.embedding_dim) == (8, 32)
    np.testing.assert_array_equal(
        alone.encoder(images),
        trained.load(config.run_directory).model.encoder(images),
    )


@pytest.mark.parametrize(
    ("epoch", "step", "kept"),
    [(1, 0, (1, 0)), (2, 0, (2, 0)), (5, 0, (5, 0)), (0, 3, (0, 2)),
     (2, 3, (2, 2)), (3, 4, (3, 4))],
)  # fmt: skip
def test_resumed_run_is_the_same_run(
    finished, tmp_path, monkeypatch, epoch, step, kept
):
    """In an epoch of 5 steps, with a checkpoint after every second."""
    whole = finished[2]
    config = digits(tmp_path, checkpoint_steps=2)
    interrupted(config, epoch, monkeypatch, step)
    parts = RunDirectory(config.run_directory)
    checkpoint = parts.checkpoints.latest()
    assert (checkpoint.epochs, checkpoint.step) == kept
    run.train(dataclasses.replace(config, resume=True))
    assert_same_run(whole, parts)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_the_step(finished, tmp_path, monkeypatch, number):
    """Sent to this very process in the second step of the third epoch."""

    class Send(Stop):
        def on_train_batch_end(self, batch, logs=None):
            if (self._now, batch) == (2, 1):
                os.kill(os.getpid(), number)

    config = digits(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "Progress", lambda *_, **__: Send(-1))
        with pytest.raises(Interrupted, match="step 3 of epoch 3") as caught:
            run.train(config)
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    run.train(dataclasses.replace(config, resume=True))
    assert_same_run(finished[2], RunDirectory(config.run_directory))


def test_without_its_bank_a_run_is_evaluated_but_not_resumed(
    finished, tmp_path
):
    shutil.copytree(finished[0].run_directory, tmp_path / "run")
    directory = RunDirectory(tmp_path / "run")
    path = directory.checkpoints.paths()[-1]
    with np.load(path, allow_pickle=False) as data:
        arrays = {k: data[k] for k in data.files if "method/" not in k}
    np.savez(path, **arrays)
    figures = evaluate_knn(trained.load(directory.path))
    assert figures["clean_top1"] == finished[1]["knn_top1_last"]
    assert "bank_top1" not in figures
    directory.result.unlink()
    config = dataclasses.replace(
        finished[0], run_dir=str(directory.path), resume=True
    )
    with pytest.raises(InputError, match="3 arrays of the method.*Received: 0"):
        run.train(config)


def test_a_seed_gives_the_same_run_whatever_loading_draws(
    finished, tmp_path, monkeypatch
):
    """As it does where a data set is prepared first."""
    load = run.load_images

    def draw_and_load(config):
        keras.utils.set_random_seed(random.randrange(1000) + 1)
        return load(config)

    monkeypatch.setattr(run, "load_images", draw_and_load)
    config = digits(tmp_path)
    run.train(config)
    assert_same_run(finished[2], RunDirectory(config.run_directory))


@pytest.mark.parametrize("step", ["draw", "files"])
def test_a_run_killed_at_its_end_is_finished(
    finished, tmp_path, monkeypatch, step
):
    """While it draws, or when result.json alone is missing."""

    def killed(*_):
        raise Stop.Interruption

    config = digits(tmp_path)
    with monkeypatch.context() as patch:
        if step == "draw":
            patch.setattr(summary, "draw", killed)
        else:
            patch.setattr(summary.files, "write_json", killed)
        with pytest.raises(Stop.Interruption):
            run.train(config)
    run.train(dataclasses.replace(config, resume=True))
    directory = RunDirectory(config.run_directory)
    assert_same_run(finished[2], directory)
    assert directory.curves.exists()


def test_two_processes_do_not_share_a_directory(finished):
    config, _, directory = finished
    with directory.held(), pytest.raises(InputError, match="no other process"):
        run.train(dataclasses.replace(config, resume=True))


def test_the_best_checkpoint_is_kept(finished):
    _, result, directory = finished
    with open(directory.metrics, newline="") as file:
        rows = [float(row["knn_bank"]) for row in csv.DictReader(file)]
    best = int(np.argmax(rows)) + 1
    assert [path.stem for path in directory.checkpoints.paths()] == sorted(
        {f"epoch_{epoch:05}" for epoch in (best, 5, 6)}
    )
    again = trained.load(directory.path, which="best")
    assert again.checkpoint.epochs == best
    figures = evaluate_knn(again)
    assert figures["bank_top1"] == result["knn_top1_best"]


def test_without_evaluations_there_is_no_best(tmp_path):
    config = digits(tmp_path, evaluate_every=0, rounds=1, epochs_per_round=2)
    with pytest.raises(InputError, match="Expected the checkpoint of the best"):
        interrupted(config, 1, pytest.MonkeyPatch())
        trained.load_encoder(config.run_directory, "best")


@pytest.mark.parametrize(
    "changes",
    [
        {"selection": "one_off", "neighbourhood_size": 5},
        {"initial_epochs": 0, "bank_initialiser": "uniform"},
        {"rounds": 0, "learning_rate_schedule": "cosine"},
        {"augment_on_device": True, "precision": "mixed_bfloat16"},
        {"flip": 0.5, "loss_block_rows": 64, "warmup_epochs": 0.5},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_what_the_paper_varies(tmp_path, changes):
    config = digits(tmp_path, **{"epochs_per_round": 1, "rounds": 1, **changes})
    result = run.train(config)
    assert (
        result["epochs"]
        == len(
            RunDirectory(config.run_directory).metrics.read_text().splitlines()
        )
        - 1
    )
    assert 0.2 < result["knn_top1_last"] <= 1


def test_views_drawn_on_the_device_are_the_same(tmp_path):
    results = [
        run.train(
            digits(
                tmp_path, name, rounds=0, epochs_per_round=1,
                augment_on_device=on_device,
            )
        )
        for name, on_device in (("cpu", False), ("device", True))
    ]  # fmt: skip
    losses = [
        RunDirectory(tmp_path / name).metrics.read_text().split(",")[14]
        for name in ("cpu", "device")
    ]
    np.testing.assert_allclose(*map(float, losses), rtol=1e-4)
    assert results[0]["epochs"] == results[1]["epochs"] == 1


def folder(path, labelled, test, count=24):
    """Images of two kinds of noise, of mixed sizes, one of them broken."""
    rng = np.random.default_rng(1)
    for split in ("train", "test") if test else ("",):
        for i in range(count):
            kind = "dark" if i % 2 else "light"
            place = path / split / (kind if labelled else "")
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 99, (12 + i % 3, 14, 3), np.uint8)
            pixels += np.uint8(0 if i % 2 else 150)
            Image.fromarray(pixels).save(place / f"{i:02}.png")
    (place / "broken.png").write_bytes(b"not an image")
    return str(path)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("memory_gib", [4.0, 0.0])
def test_folders(tmp_path, capsys, labelled, test, memory_gib):
    config = digits(
        tmp_path,
        dataset="folder",
        data_dir=folder(tmp_path / "images", labelled, test),
        image_size=8,
        rounds=1,
        epochs_per_round=1,
        batch_size=8,
        max_train_examples=0,
        max_test_examples=0,
        memory_gib=memory_gib,
    )
    result = run.train(config)
    printed = capsys.readouterr().out
    assert "left out 1 that cannot be read" in printed
    assert ("streamed" in printed) == (memory_gib == 0)
    assert result["num_examples"] == 24
    if not labelled:
        assert result["knn_top1_last"] is None
        with pytest.raises(InputError, match="Expected labels"):
            evaluate_knn(trained.load(config.run_directory))
    else:
        assert result["knn_top1_last"] > 0.9  # Dark and light are far apart.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neighbourhood_size": 450}, "from 1 to 449.*Received: 450"),
        ({"batch_size": 451}, "450"),
        ({"dataset": "cifar11"}, "cifar10"),
        ({"strategy": "multi_worker"}, "Expected TF_CONFIG in the environment"),
        ({"image_size": 4}, "8 or more. Received: 4"),
    ],
)
def test_refuses(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        run.train(digits(tmp_path, **changes))


def interrupted(
    config: TrainConfig, epoch: int, monkeypatch, step: int = 0
) -> None:
    """Trains up to an epoch, or a step of it, then ends as if killed."""
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "Progress", lambda *_, **__: Stop(epoch, step))
        with pytest.raises(Stop.Interruption):
            run.train(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "Expected the 24 training images"),
        (
            lambda path: path.rename(path.with_name("renamed.png")),
            "Received others in folder/train",
        ),
    ],
    ids=["fewer", "others"],
)
def test_other_images_are_another_run(tmp_path, monkeypatch, change, message):
    config = digits(
        tmp_path,
        dataset="folder",
        data_dir=folder(tmp_path / "images", True, False),
        image_size=8,
        rounds=0,
        epochs_per_round=2,
        batch_size=8,
        max_train_examples=0,
        max_test_examples=0,
    )
    interrupted(config, 1, monkeypatch)
    change(next((tmp_path / "images" / "dark").glob("0*.png")))
    with pytest.raises(InputError, match=message):
        run.train(dataclasses.replace(config, resume=True))


def test_a_finished_run_is_shown_and_left_alone(finished, capsys):
    config, result, directory = finished
    before = directory.result.read_bytes()
    again = run.train(dataclasses.replace(config, resume=True))
    assert again["knn_top1_last"] == result["knn_top1_last"]
    assert directory.result.read_bytes() == before
    printed = capsys.readouterr().out
    assert f"{100 * result['knn_top1_last']:.1f} %" in printed
    assert "curves.png" in printed
    assert "epoch" not in printed.replace("a row an epoch", "")


def test_nan_loss_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    config = digits(tmp_path, learning_rate=1e30, rounds=0, epochs_per_round=3)
    with pytest.raises(InputError, match="Expected a finite loss.*epoch 1.*no"):
        run.train(config)

    good = digits(tmp_path, "good", rounds=0, epochs_per_round=3)
    begin = fitting.Speed.on_epoch_begin

    def poison(self, epoch, logs=None):
        begin(self, epoch, logs)
        if epoch == 1:
            self.model.encoder.trainable_weights[0].assign(
                np.nan * self.model.encoder.trainable_weights[0]
            )

    monkeypatch.setattr(fitting.Speed, "on_epoch_begin", poison)
    with pytest.raises(InputError, match="epoch 2.*kept in .*epoch_00001"):
        run.train(good)
    assert RunDirectory(good.run_directory).checkpoints.latest().epochs == 1
