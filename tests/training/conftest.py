"""Makes a finished run that takes seconds, for several files of tests."""

from __future__ import annotations

from typing import Any

import pytest

from and_tf.training import trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory
from tests.small_run import digits


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory,
) -> tuple[TrainConfig, dict[str, Any], RunDirectory]:
    """Returns a run's config, result and directory, which no test changes."""
    config = digits(tmp_path_factory.mktemp("finished"))
    return config, trainer.train(config), RunDirectory(config.run_directory)
