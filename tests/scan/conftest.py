"""Makes a trained run that takes seconds, and clusterings of it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from and_tf.scan import trainer
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from tests.small_run import trained_once


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> pathlib.Path:
    """Returns the directory of a trained run, which no test changes."""
    _, trained = trained_once(tmp_path_factory, rounds=0, baselines=False)
    return trained.path


@pytest.fixture(scope="session")
def config(source) -> Callable[..., ClusterConfig]:
    """Returns a function that makes the config of a clustering of that run."""

    def make(output: pathlib.Path, **changes) -> ClusterConfig:
        return ClusterConfig(
            **{
                "run_dir": str(source),
                "output_dir": str(output),
                "neighbours": 5,
                "batch_size": 100,
                "epochs": 3,
                "heads": 2,
                "learning_rate": 1e-3,
                "kmeans_seeds": 1,
                "augmentation": "weak",
                "self_labelling_epochs": 0,
                "checkpoint_seconds": 0.0,
                **changes,
            }
        )

    return make


@pytest.fixture(scope="session")
def finished(config, tmp_path_factory):
    """Returns a finished clustering: its config, result and directory."""
    made = config(tmp_path_factory.mktemp("finished") / "scan")
    return made, trainer.cluster(made), ClusterDirectory(made.output_directory)
