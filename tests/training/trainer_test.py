"""Whole runs on small real images: what they write, and refuse."""

from __future__ import annotations

import csv
import dataclasses
import json
import random
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from and_tf.evaluation.knn import weighted_knn
from and_tf.training import experiment, trainer
from and_tf.training.checkpoint import Checkpoint, best_epochs
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import from_flagfile
from tests.same_run import assert_same_run
from tests.small_run import digits, evaluate_knn, folder, interrupted


@pytest.fixture(autouse=True)
def default_precision():
    yield
    keras.config.set_dtype_policy("float32")


def test_result_has_what_is_promised(finished):
    _, result, _ = finished
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
    assert found.is_anchor.sum() == 225
    assert list(directory.tensorboard.glob("events.out.tfevents.*"))


def test_learns(finished):
    """Better than the untrained encoder."""
    _, result, _ = finished
    assert (
        result["knn_top1_last"] > result["knn_baselines"]["untrained encoder"]
    )


def test_evaluation_agrees_with_the_training(finished, tmp_path):
    _, result, directory = finished
    again = Run(shutil.copytree(directory.path, tmp_path / "run"))
    figures = evaluate_knn(again)
    assert figures["clean_top1"] == result["knn_top1_last"]
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["evaluation"]["knn"] == figures
    # And with a plain count over the model's own predictions.
    predict = lambda split: again.model.predict(split.images, verbose=0)  # noqa: E731
    train, test = again.images.train, again.images.test
    expected = weighted_knn(
        predict(test), test.labels, predict(train), train.labels
    )
    assert figures["clean_top1"] == expected.top1


def test_an_encoder_is_restored_without_its_data(finished):
    config, _, _ = finished
    alone = Run(config.run_directory)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    assert (alone.image_size, alone.embedding_dim) == (8, 32)
    np.testing.assert_array_equal(
        alone.encoder(images),
        Run(config.run_directory).model.encoder(images),
    )


def test_a_seed_gives_the_same_run_whatever_loading_draws(
    finished, tmp_path, monkeypatch
):
    """As it does where a data set is prepared first."""
    load = trainer.load_images

    def draw_and_load(*arguments):
        keras.utils.set_random_seed(random.randrange(1000) + 1)
        return load(*arguments)

    monkeypatch.setattr(trainer, "load_images", draw_and_load)
    config = digits(tmp_path)
    result = trainer.train(config)
    directory = RunDirectory(config.run_directory)
    assert result == directory.read_result()
    assert_same_run(finished[2], directory)


def test_the_best_checkpoint_and_those_of_rounds_are_kept(finished, tmp_path):
    _, result, directory = finished
    with open(directory.metrics, newline="") as file:
        rows = [float(row["knn_bank"]) for row in csv.DictReader(file)]
    best = int(np.argmax(rows)) + 1
    assert [path.stem for path in directory.checkpoints.paths()] == sorted(
        {f"epoch_{epoch:05}" for epoch in (2, 4, best, 5, 6)}
    )
    copy = shutil.copytree(directory.path, tmp_path / "run")
    again = Run(copy, which="best")
    assert again.checkpoint.epochs == best
    figures = evaluate_knn(again)
    assert figures["bank_top1"] == result["knn_top1_best"]


def test_a_round_is_loaded_with_exactly_its_weights(
    finished, tmp_path, monkeypatch
):
    """Those of a run that ended there."""
    config = digits(tmp_path)
    interrupted(config, 4, monkeypatch)
    ended = RunDirectory(config.run_directory).checkpoints.latest()
    again = Run(finished[2].path, which="round_1")
    assert again.checkpoint.epochs == ended.epochs == 4
    alone = Run(finished[2].path, "round_1")
    for encoder in (again.model.encoder, alone.encoder):
        for value, expected in zip(
            encoder.variables, ended.arrays("encoder"), strict=True
        ):
            np.testing.assert_array_equal(value, expected)
    bank = ended.arrays("method")[0]
    np.testing.assert_array_equal(again.model.bank.rows, bank)
    np.testing.assert_array_equal(alone.bank_rows(), bank)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("round_3", "round 3's end.*last, round_0, round_1, round_2"),
        ("round_-1", "round_<r>.*Received: 'round_-1'"),
        ("first", "Expected --checkpoint to be last, best or round_<r>"),
    ],
)
def test_other_checkpoints_are_refused(finished, which, message):
    with pytest.raises(InputError, match=message):
        _ = Run(finished[2].path, which).checkpoint


def test_rounds_need_not_be_kept(tmp_path):
    config = digits(
        tmp_path, epochs_per_round=1, keep_rounds=False, evaluate_every=0,
        rounds=3,
    )  # fmt: skip
    trainer.train(config)
    checkpoints = RunDirectory(config.run_directory).checkpoints
    best = checkpoints.best(
        best_epochs(checkpoints.latest().metadata["history"])
    ).epochs
    kept = sorted({best, 3, 4})
    assert [Checkpoint(p).epochs for p in checkpoints.paths()] == kept
    missing = next(r for r in range(3) if r + 1 not in kept)
    with pytest.raises(InputError, match="trained without --keep_rounds"):
        _ = Run(config.run_directory, f"round_{missing}").checkpoint


def test_without_evaluations_there_is_no_best(tmp_path):
    config = digits(tmp_path, evaluate_every=0, rounds=1, epochs_per_round=2)
    with pytest.raises(InputError, match="for --checkpoint=best"):
        interrupted(config, 1, pytest.MonkeyPatch())
        _ = Run(config.run_directory, "best").checkpoint


@pytest.mark.parametrize(
    "changes",
    [
        {"selection": "one_off", "neighbourhood_size": 5},
        {"initial_epochs": 0, "bank_initialiser": "uniform"},
        {"rounds": 0, "learning_rate_schedule": "cosine"},
        {"augment_on_device": True, "precision": "mixed_bfloat16"},
        {"flip": 0.5, "loss_block_rows": 64, "warmup_epochs": 0.5},
        {"image_size": 24, "view_size": 16, "width": 0.5},
        {"image_size": 24, "view_size": 16, "augment_on_device": True},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_what_the_paper_varies(tmp_path, changes):
    config = digits(tmp_path, **{"epochs_per_round": 1, "rounds": 1, **changes})
    result = trainer.train(config)
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
        trainer.train(
            digits(
                tmp_path, name, rounds=0, epochs_per_round=1,
                augment_on_device=on_device,
            )
        )
        for name, on_device in (("cpu", False), ("device", True))
    ]  # fmt: skip
    losses = [
        RunDirectory(tmp_path / name).read_metrics()[0]["loss"]
        for name in ("cpu", "device")
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert results[0]["epochs"] == results[1]["epochs"] == 1


def test_what_was_trained_on_small_views_sees_large_images(tmp_path):
    config = digits(
        tmp_path, rounds=0, epochs_per_round=1, image_size=24, view_size=16,
        width=0.5,
    )  # fmt: skip
    result = trainer.train(config)
    assert result["image_size"] == 24
    encoder = Run(config.run_directory).encoder
    assert encoder.input_shape == (None, 24, 24, 3)
    assert encoder.get_layer("stage2").output.shape[-1] == 48
    again = evaluate_knn(Run(config.run_directory))
    assert again["clean_top1"] == result["knn_top1_last"]


@pytest.mark.parametrize(
    ("memory_gib", "test", "labelled"),
    # Each two values of different columns meet once.
    [(4.0, True, True), (4.0, False, False), (0.0, True, False),
     (0.0, False, True)],
)  # fmt: skip
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
    result = trainer.train(config)
    printed = capsys.readouterr().out
    assert "left out 1 that cannot be read" in printed
    assert ("streamed" in printed) == (memory_gib == 0)
    assert result["num_examples"] == 24
    if not labelled:
        assert result["knn_top1_last"] is None
        with pytest.raises(InputError, match="Expected labels"):
            evaluate_knn(Run(config.run_directory))
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
        ({"view_size": 4}, "views of 8 or more"),
        ({"encoder": "alexnet", "view_size": 16}, "no --view_size"),
    ],
)
def test_refuses(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        trainer.train(digits(tmp_path, **changes))


def test_long_passes_and_searches_show_their_progress(
    tmp_path, monkeypatch, capsys
):
    """Of a run, too, that discovers in the untrained encoder's features."""
    config = digits(
        tmp_path / "run",
        initial_epochs=0,
        rounds=1,
        epochs_per_round=1,
        baselines=False,
        evaluate_every=0,
    )
    trainer.train(config)
    assert "/450" not in capsys.readouterr().err
    monkeypatch.setattr(experiment, "PATIENCE", 0.0)
    trainer.train(dataclasses.replace(config, run_dir=str(tmp_path / "shown")))
    said = capsys.readouterr().err
    assert "embed " in said
    assert "450/450" in said
    assert "search neighbours" in said
