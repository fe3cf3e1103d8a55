"""Whole clusterings of seconds: what they learn, write and resume."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal

import numpy as np
import pytest
from PIL import Image

from and_tf.data.split import ImageData
from and_tf.encoders import weights
from and_tf.evaluation import cluster_metrics
from and_tf.evaluation.embeddings import embed
from and_tf.scan import mining, train_callbacks, trainer, validation
from and_tf.scan.clustering import Clustering, is_clustering
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.training import trainer as training
from and_tf.training.run import Run
from and_tf.utils.errors import InputError, Interrupted
from and_tf.utils.flag_config import from_flagfile
from tests.same_run import rows_of
from tests.scan.same_clustering import assert_same
from tests.small_run import Stop, digits, folder


def test_directory_has_what_is_promised(finished):
    config, result, directory = finished
    assert json.loads(directory.result.read_text()) == result
    assert from_flagfile(ClusterConfig, directory.flagfile) == config
    rows = rows_of(directory.metrics)
    assert [row["epoch"] for row in rows] == list("012")
    assert float(rows[-1]["acc"]) == result["acc"]
    assert result["validation_loss"] == min(result["head_losses"])
    assert result["pretext"]["epochs"] == 2
    assert result["protocol"]["matched_on"] == "digits/test"
    assert sum(result["cluster_sizes"]) == 150
    assert np.sum(result["confusion"]) == 150
    assert 0 < result["kmeans"]["acc"] < 1
    assert 0.1 < result["neighbours_agreement"]["train"] < 1
    assert result["uses_labels"] is False
    told = result["without_labels"]
    assert -1 < told["silhouette"] < 1 and -1 < told["heads_agree"] <= 1
    assert 0.1 < told["neighbours_together"] < 1 and told["confidence"] > 0.1
    for path in (
        directory.confusion, directory.prototypes, directory.curves,
    ):  # fmt: skip
        with Image.open(path) as picture:
            assert min(picture.size) > 300


def test_learns_more_than_chance(finished):
    _, result, directory = finished
    losses = [
        float(row["validation_loss"]) for row in rows_of(directory.metrics)
    ]
    assert losses == sorted(losses, reverse=True)
    assert result["acc"] > 0.25  # Of ten classes alike.


def test_the_classifier_is_restored_without_data(finished):
    config, result, directory = finished
    found = Clustering(directory.path)
    test = Run(pathlib.Path(config.run_dir)).images.test
    probabilities = found.classifier.predict(test.images, verbose=0)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    scores = cluster_metrics.score(
        probabilities.argmax(1), test.labels, 10, 10, probabilities
    )
    assert scores.acc == result["acc"]
    assert (
        cluster_metrics.prototypes(probabilities).tolist()
        == result["prototypes"]
    )
    assert is_clustering(directory.path)
    assert not is_clustering(pathlib.Path(config.run_dir))


def test_resumed_run_is_the_same_run(finished, tmp_path, monkeypatch):
    """In epochs of 4 steps, with a checkpoint after every second."""
    config = dataclasses.replace(
        finished[0], output_dir=str(tmp_path / "scan"), checkpoint_steps=2
    )
    with monkeypatch.context() as patch:
        patch.setattr(train_callbacks, "Progress", lambda *_, **__: Stop(1, 3))
        with pytest.raises(Stop.Interruption):
            trainer.cluster(config)
    parts = ClusterDirectory(config.output_directory)
    checkpoint = parts.checkpoints.latest()
    assert (checkpoint.epochs, checkpoint.step) == (1, 2)
    trainer.cluster(dataclasses.replace(config, resume=True))
    assert_same(finished[2], parts)


def test_a_signal_keeps_the_step(finished, tmp_path, monkeypatch):
    class Send(Stop):
        def on_train_batch_end(self, batch, logs=None):
            if (self._now, batch) == (1, 1):
                os.kill(os.getpid(), signal.SIGTERM)

    config = dataclasses.replace(finished[0], output_dir=str(tmp_path / "scan"))
    monkeypatch.setattr(train_callbacks, "Progress", lambda *_, **__: Send(-1))
    with pytest.raises(Interrupted, match="step 3 of epoch 2") as caught:
        trainer.cluster(config)
    assert caught.value.exit_code == 128 + signal.SIGTERM
    kept = ClusterDirectory(config.output_directory).checkpoints.latest()
    assert (kept.epochs, kept.step) == (1, 3)


def test_a_finished_one_is_shown_and_left_alone(finished, capsys):
    config, result, directory = finished
    before = directory.result.read_bytes()
    again = trainer.cluster(dataclasses.replace(config, resume=True))
    assert again == json.loads(before)
    assert directory.result.read_bytes() == before
    printed = capsys.readouterr().out
    assert f"{100 * result['acc']:.1f} %" in printed
    assert "prototypes.png" in printed


def test_fine_tuning_moves_all_but_the_projection(finished):
    config, _, directory = finished
    before = Run(pathlib.Path(config.run_dir)).encoder
    after = Clustering(directory.path).scan.encoder
    for one, other in zip(before.variables, after.variables, strict=True):
        same = np.array_equal(one, other)
        assert same == ("projection" in one.path), one.path


@pytest.mark.parametrize(("labelled", "test"), [(True, False), (False, True)])
def test_folders(tmp_path, capsys, labelled, test):
    """Without labels or a test split, on an encoder that is frozen."""
    images = folder(tmp_path / "images", labelled, test)
    training.train(
        digits(
            tmp_path, dataset="folder", data_dir=images, image_size=8,
            rounds=0, epochs_per_round=1, batch_size=8, baselines=False,
            max_train_examples=0, max_test_examples=0,
        )
    )  # fmt: skip
    made = ClusterConfig(
        run_dir=str(tmp_path / "run"),
        clusters=6, neighbours=3, epochs=1, batch_size=8, features="embedding",
        self_labelling_epochs=0,
        freeze=True,
    )  # fmt: skip
    result = trainer.cluster(made)
    assert made.output_directory == tmp_path / "run" / "scan"
    assert (result["acc"] is None) != labelled
    assert (result["kmeans"] is None) != labelled
    assert result["acc_majority"] is None or result["acc_majority"] > 0.4
    where = "test" if test else "train"
    assert result["protocol"]["matched_on"] == f"folder/{where}"
    assert len(result["prototypes"]) == 6
    frozen = Clustering(made.output_directory).scan.encoder
    digest = weights.digest(frozen)
    assert digest == result["pretext"]["encoder_sha256"]
    assert ("ACC" in capsys.readouterr().out) == labelled
    if not labelled:
        with pytest.raises(InputError, match="Expected --clusters, as"):
            trainer.cluster(
                dataclasses.replace(made, clusters=0, output_dir="x")
            )


def test_the_epoch_of_the_lowest_loss_is_kept(config, tmp_path, monkeypatch):
    """Evaluated, loaded again, and gone on from by self-labelling."""
    losses = iter([3.0, 1.0])
    monkeypatch.setattr(
        validation,
        "validation_losses",
        lambda logits, _: np.full(logits.shape[1], next(losses, 2.0)),
    )
    made = config(tmp_path / "scan", learning_rate=1e-2)
    directory = ClusterDirectory(made.output_directory)
    result = trainer.cluster(made)
    rows = rows_of(directory.metrics)
    assert len({row["acc"] for row in rows}) == len(rows) == 3
    assert result["clustering"]["epoch"] == 2
    assert result["acc"] == float(rows[1]["acc"])
    assert "lowest loss on digits/test" in result["protocol"]["epoch"]
    found = Clustering(directory.path)
    assert found.checkpoint.epochs == 2
    test = Run(pathlib.Path(made.run_dir)).images.test
    answers = found.classifier.predict(test.images, verbose=0).argmax(1)
    assert (
        cluster_metrics.score(answers, test.labels, 10, 10).acc == result["acc"]
    )

    later = dataclasses.replace(
        made, resume=True, self_labelling_epochs=2, threshold=0.1,
        self_labelling_learning_rate=1e-9, self_labelling_batch_size=100,
    )  # fmt: skip
    result = trainer.cluster(later)
    assert result["after_clustering"]["acc"] == float(rows[1]["acc"])
    assert result["protocol"]["epoch"] == "last"
    assert Clustering(directory.path).checkpoint.epochs == 5
    kept = [path.stem for path in directory.checkpoints.paths()]
    assert "epoch_00002" in kept


def test_learns_from_views_of_the_size_trained_on(config, tmp_path):
    """And is evaluated, and answers, on images of their own."""
    trained_on = digits(
        tmp_path, rounds=0, image_size=12, view_size=8, baselines=False
    )
    training.train(trained_on)
    made = config(
        tmp_path / "scan", run_dir=trained_on.run_dir, epochs=1,
        augmentation="strong", features="backbone", self_labelling_epochs=1,
        self_labelling_batch_size=100, threshold=0.1, learning_rate=1e-2,
    )  # fmt: skip
    result = trainer.cluster(made)
    rows = rows_of(ClusterDirectory(made.output_directory).metrics)
    assert [row["stage"] for row in rows] == ["", "self_labelling"]
    found = Clustering(made.output_directory)
    assert found.classifier.input_shape == (None, 12, 12, 3)
    test = Run(trained_on.run_directory).images.test
    answers = embed(found.classifier, test, 12).argmax(1)
    assert (
        cluster_metrics.score(answers, test.labels, 10, 10).acc == result["acc"]
    )


def test_the_oracle_says_that_it_uses_labels(config, tmp_path, capsys):
    made = config(tmp_path / "scan", mining="oracle", epochs=1)
    result = trainer.cluster(made)
    assert result["uses_labels"] is True
    assert "labels too" in result["protocol"]["learns_from"]
    printed = capsys.readouterr().out
    assert "LABELS ARE USED (--mining=oracle)" in printed
    assert "LABELS WERE USED" in printed and "\noracle " in printed
    images = Run(pathlib.Path(made.run_dir)).images
    mined = mining.read(ClusterDirectory(made.output_directory).mined, 450, 150)
    assert mining.agreement(mined.train, images.train.labels) == 1
    # That of the test images is as it was mined.
    assert mining.agreement(mined.evaluation, images.test.labels) < 1


def test_labels_never_choose(config, finished, tmp_path, monkeypatch):
    """Without them everything that is learnt is the same."""
    load = training.load_images

    def bare(*arguments):
        images = load(*arguments)
        splits = (images.train, images.test)
        return ImageData(
            images.name,
            *(dataclasses.replace(s, labels=None) for s in splits),
        )

    monkeypatch.setattr(training, "load_images", bare)
    made = config(tmp_path / "scan")
    result = trainer.cluster(made)
    known = finished[1]
    assert result["acc"] is None
    alike = ("head_losses", "head", "cluster_sizes", "without_labels")
    for key in (*alike, "prototypes"):
        assert result[key] == known[key]
    refused = dataclasses.replace(
        made, mining="oracle", output_dir=str(tmp_path / "oracle")
    )
    with pytest.raises(InputError, match="Received none in digits/train"):
        trainer.cluster(refused)
    assert not (tmp_path / "oracle").exists()
