"""Evaluates a trained run again, from its directory.

    python -m and_tf.evaluate --run_dir=runs/cifar100 --protocols=knn,linear

prints the figures, adds them to the run's result.json, and its pictures to the
run's directory.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from and_tf import protocols
from and_tf.protocols.config import Options
from and_tf.training.config import define_flags, from_flags
from and_tf.utils import cli, paths
from and_tf.utils.errors import InputError

_RUN_DIR = paths.define("run_dir", "", "The run.")
_DATA_DIR = paths.define(
    "data_dir", "", "Where its data set lies. Empty: where it lay in training."
)
_CHECKPOINT = cli.define_checkpoint()
_PROTOCOLS = flags.DEFINE_list(
    "protocols", ["knn"], f"Of {', '.join(protocols.NAMES)}."
)
define_flags(Options)


def main(argv: Sequence[str]) -> None:
    """Reads the flags and evaluates."""
    del argv
    protocols.check(_PROTOCOLS.value)
    options = from_flags(Options)
    if not _RUN_DIR.value:
        raise InputError(
            "Expected --run_dir, the directory of a run. Received none."
        )
    path = pathlib.Path(_RUN_DIR.value)
    paths.check_output("run_dir", path)  # What is found is written there.
    cli.import_tensorflow()
    from and_tf.training import trained

    run = trained.load(path, _DATA_DIR.value, _CHECKPOINT.value)
    protocols.evaluate(run, _PROTOCOLS.value, options)


if __name__ == "__main__":
    cli.run(main)
