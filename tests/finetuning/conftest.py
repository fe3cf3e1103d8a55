"""Makes a barely trained run, and fine-tunings of it that take seconds."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from and_tf.finetuning import trainer
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.experiment import FinetuneDirectory
from tests.small_run import trained_once


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> pathlib.Path:
    """Returns the directory of a run of one epoch, which no test changes."""
    _, trained = trained_once(
        tmp_path_factory, rounds=0, epochs_per_round=1, baselines=False
    )
    return trained.path


@pytest.fixture(scope="session")
def config(source) -> Callable[..., FinetuneConfig]:
    """Returns a function that makes the config of a fine-tuning of that run."""

    def make(output: pathlib.Path, **changes) -> FinetuneConfig:
        return FinetuneConfig(
            **{
                "run_dir": str(source),
                "output_dir": str(output),
                "epochs": 8,
                "learning_rate": 2e-3,
                "compare": False,
                "checkpoint_seconds": 0.0,
                **changes,
            }
        )

    return make


@pytest.fixture(scope="session")
def finished(config, tmp_path_factory):
    """Returns a finished fine-tuning: its config, result and directory."""
    made = config(tmp_path_factory.mktemp("finetune") / "all", compare=True)
    result = trainer.finetune(made)
    return made, result, FinetuneDirectory(made.output_directory)
