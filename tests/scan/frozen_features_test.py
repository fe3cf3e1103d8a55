"""Clusterings on features that are computed once."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from and_tf.encoders import heads
from and_tf.evaluation import cluster_metrics, kept_features
from and_tf.scan import (
    console,
    frozen_features,
    pair_batches,
    stages,
    train_callbacks,
    trainer,
)
from and_tf.scan.clustering import Clustering
from and_tf.scan.directory import ClusterDirectory
from and_tf.scan.frozen_features import FrozenFeatures
from and_tf.training import trainer as training
from and_tf.training.run import Run
from tests.same_run import rows_of
from tests.scan.same_clustering import assert_same
from tests.small_run import Stop, digits

FAST = {"freeze": True, "augmentation": "none", "loss": "temi"}


@pytest.fixture(scope="module")
def fast(config, tmp_path_factory):
    """Returns a finished one: its config, result and directory."""
    made = config(
        tmp_path_factory.mktemp("fast") / "scan", **FAST, learning_rate=1e-2
    )
    return made, trainer.cluster(made), ClusterDirectory(made.output_directory)


def test_learns_and_leaves_no_features(fast):
    _, result, directory = fast
    rows = rows_of(directory.metrics)
    losses = [float(row["validation_loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert result["acc"] > 0.3  # Of ten classes alike.
    assert result["loss"] == "temi" and result["beta"] == 0.6
    assert result["validation_loss"] == min(losses)
    assert not directory.features.exists()


def test_the_classifier_answers_to_images(fast):
    """As NumPy does, with features that the run's own encoder computes."""
    config, result, directory = fast
    found, run = Clustering(directory.path), Run(pathlib.Path(config.run_dir))
    test = run.images.test
    answers = found.classifier.predict(test.images, verbose=0)
    scores = cluster_metrics.score(answers.argmax(1), test.labels, 10, 10)
    assert scores.acc == result["acc"]
    trunk, _ = heads.split(run.encoder)
    train = trunk.predict(run.images.train.images, verbose=0)
    seen = trunk.predict(test.images, verbose=0)
    seen = (seen - train.mean(0)) / train.std(0).mean()
    kernel, bias = (np.asarray(v) for v in found.scan.head.variables)
    logits = (seen @ kernel + bias).reshape(len(seen), -1, 10)
    logits = logits[:, result["head"]]
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(answers, expected, atol=1e-4)


@pytest.mark.parametrize("kept", [True, False])
def test_resumed_run_is_the_same_run(fast, tmp_path, monkeypatch, kept):
    """With the features in its directory, and without."""
    config = dataclasses.replace(
        fast[0], output_dir=str(tmp_path / "scan"), checkpoint_steps=2
    )
    with monkeypatch.context() as patch:
        patch.setattr(train_callbacks, "Progress", lambda *_, **__: Stop(1, 3))
        with pytest.raises(Stop.Interruption):
            trainer.cluster(config)
    parts = ClusterDirectory(config.output_directory)
    assert parts.features.is_file()
    if kept:
        monkeypatch.setattr(frozen_features, "compute", None)
    else:
        parts.features.write_bytes(parts.features.read_bytes()[:-100])
    trainer.cluster(dataclasses.replace(config, resume=True))
    assert_same(fast[2], parts)


def test_a_second_clustering_makes_no_pass(fast, tmp_path, monkeypatch):
    """And ends as one that makes a pass of its own, to the bit."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_features, "LEAST_BYTES", 0)
    first = dataclasses.replace(
        fast[0], output_dir=str(tmp_path / "first"), seed=1, epochs=1
    )
    trainer.cluster(first)
    monkeypatch.setattr(kept_features, "embed", None)
    second = dataclasses.replace(fast[0], output_dir=str(tmp_path / "second"))
    trainer.cluster(second)
    assert_same(fast[2], ClusterDirectory(second.output_directory))


def test_a_run_without_epochs_leaves_its_pass(fast, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_features, "LEAST_BYTES", 0)
    run = digits(tmp_path, encoder=fast[0].run_dir, rounds=0, initial_epochs=0)
    training.train(run)
    monkeypatch.setattr(kept_features, "embed", None)
    made = dataclasses.replace(
        fast[0],
        run_dir=str(run.run_directory),
        output_dir=str(tmp_path / "scan"),
    )
    assert sum(trainer.cluster(made)["cluster_sizes"]) == 150


def test_pairs_are_those_of_images(rng):
    images = np.arange(30, dtype=np.uint8)[:, None, None, None]
    images = np.tile(images, (1, 8, 8, 3))
    features = frozen_features.aligned(rng.normal(size=(30, 7)))
    neighbours = rng.integers(0, 30, (30, 4)).astype(np.int32)
    options = {"batch_size": 8, "seed": 3, "epochs": 2, "first_step": 1}
    found = list(pair_batches.feature_batches(features, neighbours, **options))
    order = pair_batches.feature_batches(
        np.arange(30.0)[:, None], neighbours, **options
    )
    assert len(found) == 5
    for rows, sample_ids in zip(found, order, strict=True):
        for side, ids in zip(rows, sample_ids, strict=True):
            of = ids.numpy()[:, 0].astype(int)
            np.testing.assert_array_equal(side, features[of])
        one, other = (ids.numpy()[:, 0].astype(int) for ids in sample_ids)
        assert (neighbours[one] == other[:, None]).any(1).all()


def test_files_of_features(rng, tmp_path):
    train, test = (rng.normal(size=(n, 3)).astype(np.float32) for n in (9, 4))
    path = tmp_path / "features.npz"
    frozen_features.write(path, FrozenFeatures(train, test))
    found = frozen_features.read(path, 9, 4)
    np.testing.assert_array_equal(found.train, train)
    np.testing.assert_array_equal(found.evaluation, test)
    assert frozen_features.read(path, 8, 4) is None
    frozen_features.write(path, FrozenFeatures(train, train))
    alone = frozen_features.read(path, 9, 9)
    assert alone.evaluation is alone.train
    assert frozen_features.read(tmp_path / "none", 9, 9) is None


def test_predictions_that_are_all_alike_are_said(fast, capsys):
    result = fast[1]
    console.print_table(result)
    assert "nearly alike" not in capsys.readouterr().out
    measures = result["without_labels"] | {"confidence": 0.11}
    console.print_table(result | {"without_labels": measures})
    assert "Raise --beta of --loss=temi" in capsys.readouterr().out


def test_a_batch_has_all_images_at_most(fast):
    train = Run(pathlib.Path(fast[0].run_dir)).images.train
    large = dataclasses.replace(fast[0], batch_size=1024)
    assert stages.clustering_batch_size(large, train) == train.size == 450
    assert stages.clustering_batch_size(fast[0], train) == 100
    # The default of images is the paper's, and is not changed.
    views = dataclasses.replace(large, augmentation="weak")
    assert stages.clustering_batch_size(views, train) == 1024


def test_the_fast_way_is_said(fast, config, tmp_path, capsys):
    trainer.cluster(config(tmp_path / "scan", freeze=True, epochs=1))
    assert "--freeze --augmentation=none computes" in capsys.readouterr().out
    made = dataclasses.replace(fast[0], resume=True)
    trainer.cluster(made)
    assert "computes the features once" not in capsys.readouterr().out
