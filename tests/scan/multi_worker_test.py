"""Processes that cluster together, against one that does so alone."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from and_tf.scan.directory import ClusterDirectory
from and_tf.training import trainer as training
from and_tf.training.config import TrainConfig
from tests.small_clustering import cluster
from tests.workers import workers

# The encoder is frozen while it clusters, so that no batch statistics differ
# between processes.
CHANGES = {
    "neighbours": 5,
    "batch_size": 100,
    "epochs": 2,
    "heads": 2,
    "learning_rate": 1e-2,
    "kmeans_seeds": 1,
    "freeze": True,
    "self_labelling_epochs": 1,
    "self_labelling_batch_size": 100,
    "threshold": 0.12,
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A clustering of two processes, one of one, what the former said."""
    path = tmp_path_factory.mktemp("workers")
    training.train(
        TrainConfig(
            dataset="digits", encoder="small", embedding_dim=16, rounds=0,
            initial_epochs=2, max_train_examples=400, max_test_examples=150,
            bank_initialiser="encoder", baselines=False,
            run_dir=str(path / "run"),
        )
    )  # fmt: skip
    flags = [f"--{name}={value}" for name, value in CHANGES.items()]
    places = [f"--run_dir={path / 'run'}", f"--output_dir={path / 'two'}"]
    with workers("-m", "and_tf.cluster", *flags, *places) as started:
        assert started.end() == [0, 0], started.err(0) + started.err(1)
        said = [(started.out(i), started.err(i)) for i in range(2)]
    one = cluster(path / "run", path / "one", **CHANGES)
    return ClusterDirectory(path / "two"), ClusterDirectory(one), said


def rows(directory: ClusterDirectory) -> list[dict[str, str]]:
    with open(directory.metrics, newline="") as file:
        return list(csv.DictReader(file))


def test_two_processes_cluster_as_one(both):
    """Neighbours, losses of training and validation, k-means, clusters."""
    two, one, _ = both
    with np.load(one.mined) as mine, np.load(two.mined) as theirs:
        for name in mine.files:
            np.testing.assert_array_equal(theirs[name], mine[name])
    of_clustering = CHANGES["epochs"]
    for mine, theirs in zip(
        rows(one)[:of_clustering], rows(two)[:of_clustering], strict=True
    ):
        for name in ("loss", "entropy", "validation_loss", "acc"):
            assert float(theirs[name]) == pytest.approx(
                float(mine[name]), abs=1e-4
            ), name
        assert theirs["head"] == mine["head"]
    results = [directory.read_result() for directory in (one, two)]
    for key in ("kmeans", "after_clustering"):
        assert results[0][key] == results[1][key], key


def test_they_label_themselves_together(both):
    """Fine-tuned, so that each has batch statistics of its own."""
    two, one, _ = both
    mine, theirs = rows(one)[-1], rows(two)[-1]
    assert mine["stage"] == theirs["stage"] == "self_labelling"
    assert float(theirs["confident"]) > 0
    assert float(theirs["loss"]) == pytest.approx(float(mine["loss"]), rel=0.2)


def test_the_first_process_alone_speaks(both):
    _, _, ((out, _), silent) = both
    assert silent == ("", "")
    assert "process 1 of 2" in out and "k-means" in out
