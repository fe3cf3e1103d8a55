"""What benchmarks of a trained run are told, and where their figures go."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from and_tf.utils import cli, paths
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    from and_tf.data.split import ImageData
    from and_tf.training.trained import TrainedEncoder

_RUN_DIR = paths.define("run_dir", "", "The run.")
_DATA_DIR = paths.define(
    "data_dir", "", "Where its data set lies. Empty: where it lay in training."
)
_OUTPUT = paths.define("output", "", "A .json file for the figures.")


def output() -> pathlib.Path | None:
    """Where the figures go, None for nowhere.

    Raises:
        InputError: If it is there already, or no run is named.
    """
    if not _RUN_DIR.value:
        raise InputError(
            "Expected --run_dir, the directory of a run. Received none."
        )
    path = pathlib.Path(_OUTPUT.value) if _OUTPUT.value else None
    if path and path.exists():
        raise InputError(
            f"Expected a new --output. Received: {path}, which is there "
            "already."
        )
    if path:
        paths.check_output("output", path)
    return path


def load() -> tuple[TrainedEncoder, ImageData]:
    """The run's encoder and its data set."""
    cli.import_tensorflow()
    from and_tf.training import trained

    run = trained.load_encoder(pathlib.Path(_RUN_DIR.value))
    return run, trained.load_images(run.config, _DATA_DIR.value)
