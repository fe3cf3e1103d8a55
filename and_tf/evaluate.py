"""Evaluates a trained run again, from its directory.

    python -m and_tf.evaluate --run_dir=runs/cifar100 --protocols=knn

prints the figures and adds them to the run's result.json.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from and_tf import cli
from and_tf.errors import InputError

PROTOCOLS = ("knn",)

_RUN_DIR = flags.DEFINE_string("run_dir", "", "The run.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", "", "Where its data set lies. Empty: where it lay in training."
)
_CHECKPOINT = cli.define_checkpoint()
_PROTOCOLS = flags.DEFINE_list(
    "protocols", ["knn"], f"Of {', '.join(PROTOCOLS)}."
)
_NEIGHBOURS = flags.DEFINE_integer("knn_neighbours", 200, "K.")
_TEMPERATURE = flags.DEFINE_float("knn_temperature", 0.1, "τ of the weights.")


def main(argv: Sequence[str]) -> None:
    """Reads the flags and evaluates."""
    del argv
    unknown = sorted(set(_PROTOCOLS.value) - set(PROTOCOLS))
    if unknown:
        raise InputError(
            f"Expected --protocols of {', '.join(PROTOCOLS)}. Received: "
            f"{', '.join(unknown)}."
        )
    if not _RUN_DIR.value:
        raise InputError(
            "Expected --run_dir, the directory of a run. Received none."
        )
    if _NEIGHBOURS.value < 1 or _TEMPERATURE.value <= 0:
        raise InputError(
            "Expected --knn_neighbours of at least 1 and --knn_temperature "
            f"above 0. Received: {_NEIGHBOURS.value}, {_TEMPERATURE.value:g}."
        )
    cli.import_tensorflow()
    from and_tf import trained

    run = trained.load(
        pathlib.Path(_RUN_DIR.value), _DATA_DIR.value, _CHECKPOINT.value
    )
    trained.evaluate_knn(run, _NEIGHBOURS.value, _TEMPERATURE.value)


if __name__ == "__main__":
    cli.run(main)
