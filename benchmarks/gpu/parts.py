"""Times the parts of an epoch beside its steps, in a process of its own.

    python -m benchmarks.gpu.parts --run_dir=… --output=parts.json

takes up a finished run and does with its model and its images what happens
around the steps of a training: embedding, kNN, the search for neighbours, a
checkpoint. Everything is done once to compile and then timed several times.
"""

from __future__ import annotations

import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from and_tf.utils import atomic_files, cli

if TYPE_CHECKING:
    from and_tf.training.trained import Trained

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "A finished run.", required=True
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "A .json file for the figures.", required=True
)

REPEATS = 3
NEIGHBOURS = 200  # K of kNN.


def main(argv: Sequence[str]) -> None:
    """Times everything, then writes the file."""
    del argv
    cli.import_tensorflow()
    path, output = pathlib.Path(_RUN_DIR.value), pathlib.Path(_OUTPUT.value)
    run = _load(path)
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        found = {
            "training_flops_an_image": _flops(run),
            "seconds": {
                name: _timed(part)
                for name, part in _parts(run, pathlib.Path(scratch)).items()
            },
            **_last_round(run),
        }
    atomic_files.write_json(output, found)


def _load(path: pathlib.Path) -> Trained:
    import keras

    from and_tf.training import trained
    from and_tf.training.run_directory import RunDirectory

    # As in training: otherwise the model would be built in float32.
    keras.config.set_dtype_policy(RunDirectory(path).config().precision)
    return trained.load(path)


def _parts(
    run: Trained, scratch: pathlib.Path
) -> dict[str, Callable[[], object]]:
    """Returns the parts by their names, each to be called again and again.

    Args:
        run: With test images, labels and a bank.
        scratch: A directory for checkpoints, on the disk of the runs.
    """
    from and_tf.evaluation.embeddings import embed
    from and_tf.evaluation.knn import weighted_knn
    from and_tf.search.nearest import nearest
    from and_tf.training.callbacks.checkpointing import state
    from and_tf.training.checkpoint import Checkpoints

    model, train, test = run.model, run.images.train, run.images.test
    rows = np.asarray(model.bank.rows)
    queries = embed(model, test, run.image_size)
    notes = dict(run.checkpoint.notes)
    return {
        "embed_test": lambda: embed(model, test, run.image_size),
        "knn": lambda: weighted_knn(
            queries, test.labels, rows, train.labels, neighbours=NEIGHBOURS
        ),
        "embed_train": lambda: embed(model, train, run.image_size),
        "discovery": lambda: nearest(
            rows,
            rows,
            1,
            temperature=run.config.temperature,
            exclude_self=True,
        ),
        "checkpoint": lambda: Checkpoints(scratch).save(
            run.checkpoint.epochs, state(model), notes
        ),
    }


def _timed(part: Callable[[], object]) -> float:
    """Returns the median of several times, after a first one that compiles."""
    part()
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        part()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _flops(run: Trained) -> int:
    """Returns the operations of an image in a training step."""
    import keras

    from benchmarks.gpu.flops import training_flops

    # A copy, for layers that two models share have two output shapes.
    return training_flops(keras.models.clone_model(run.model.view_encoder))


def _last_round(run: Trained) -> dict[str, Any]:
    """Returns how long the last round took as a whole, by its checkpoints."""
    from and_tf.training.checkpoint import Checkpoint
    from and_tf.training.experiment import rounds_of

    kept = run.directory.checkpoints.of_rounds(rounds_of(run.config))
    last, before = max(kept), max(kept) - 1
    seconds = [Checkpoint(kept[r]).notes["seconds"] for r in (before, last)]
    return {
        "round_epochs": run.config.epochs_per_round,
        "round_seconds": seconds[1] - seconds[0],
    }


if __name__ == "__main__":
    cli.run(main)
