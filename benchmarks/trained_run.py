"""Read the flags of benchmarks of a trained run."""

from __future__ import annotations

import pathlib

from and_tf.training.config import TrainConfig
from and_tf.utils import flag_config, paths
from and_tf.utils.errors import InputError

_RUN_DIR = paths.define(
    "run_dir", "", "Directory of the trained run to measure."
)
_DATA_DIR = paths.define(
    "data_dir",
    "",
    "Directory of the run's data set. If empty, it is where the data set was "
    "in training.",
)
_OUTPUT = paths.define(
    "output",
    "",
    "JSON file to write the figures to. If empty, they are only printed.",
)


def places() -> tuple[str, str, pathlib.Path | None]:
    """Return the directories of run and data, and the file for figures.

    Raises:
        InputError: If no run is named, or the file is there already.
    """
    if not _RUN_DIR.value:
        raise InputError(
            "Expected --run_dir, the directory of a run. Received none."
        )
    flag_config.from_run(
        TrainConfig, pathlib.Path(_RUN_DIR.value) / "flags.cfg"
    )
    output = pathlib.Path(_OUTPUT.value) if _OUTPUT.value else None
    if output and output.exists():
        raise InputError(
            f"Expected a new --output. Received: {output}, which is there "
            "already."
        )
    if output:
        paths.check_output("output", output)
    return _RUN_DIR.value, _DATA_DIR.value, output
