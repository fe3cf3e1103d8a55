"""Makes a finished run that takes seconds, for several files of tests."""

from __future__ import annotations

from typing import Any

import pytest

from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory
from tests.small_run import trained_once


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory,
) -> tuple[TrainConfig, dict[str, Any], RunDirectory]:
    """Returns a run's config, result and directory, which no test changes."""
    config, directory = trained_once(tmp_path_factory)
    return config, directory.read_result(), directory
