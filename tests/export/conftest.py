"""Makes a tiny run to export."""

from __future__ import annotations

import pathlib

import pytest

from and_tf.training import trainer
from and_tf.training.config import TrainConfig


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Returns the directory of a short run on scikit-learn's digits, 8×8."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    trainer.train(
        TrainConfig(
            dataset="digits",
            encoder="small",
            embedding_dim=32,
            rounds=1,
            epochs_per_round=1,
            batch_size=100,
            bank_initialiser="encoder",
            max_train_examples=450,
            max_test_examples=150,
            run_dir=str(path),
        )
    )
    return path
