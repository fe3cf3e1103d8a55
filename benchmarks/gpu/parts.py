"""Time the parts of an epoch beside its steps.

A finished run is taken up, and with its model and its images is done what
happens around the steps of a training: embedding, kNN, the search for
neighbours, a checkpoint. Everything is done once to compile and then timed
several times.
"""

from __future__ import annotations

import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from and_tf.utils import cli

if TYPE_CHECKING:
    from and_tf.training.run import Run

REPEATS = 3
NEIGHBOURS = 200  # K of kNN.


def measure(run_dir: str) -> dict[str, Any]:
    """Time everything; for a process of its own.

    Args:
        run_dir: A finished run with test images, labels and a bank.

    Returns:
        `seconds` by the part's name, `training_flops_an_image`, and the last
        round's `round_epochs` and `round_seconds`.
    """
    cli.import_tensorflow()
    path = pathlib.Path(run_dir)
    run = _load(path)
    # Checkpoints are written to the disk of the runs.
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        parts = _parts(run, pathlib.Path(scratch))
        return {
            "training_flops_an_image": _flops(run),
            "seconds": {name: _timed(part) for name, part in parts.items()},
            **_last_round(run),
        }


def _load(path: pathlib.Path) -> Run:
    import keras

    from and_tf.training.run import Run
    from and_tf.training.run_directory import RunDirectory

    # As in training: otherwise the model would be built in float32.
    keras.config.set_dtype_policy(RunDirectory(path).config().precision)
    return Run(path).prepared()


def _parts(run: Run, scratch: pathlib.Path) -> dict[str, Callable[[], object]]:
    """Return the parts by their names, each to be called again and again."""
    from and_tf.evaluation.embeddings import embed
    from and_tf.evaluation.knn import weighted_knn
    from and_tf.search.nearest import nearest
    from and_tf.training.callbacks.checkpointing import state
    from and_tf.training.checkpoint import Checkpoints

    model, train, test = run.model, run.images.train, run.images.test
    rows = np.asarray(model.bank.rows)
    queries = embed(model, test, run.image_size)
    metadata = dict(run.checkpoint.metadata)
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
            run.checkpoint.epochs, state(model), metadata
        ),
    }


def _timed(part: Callable[[], object]) -> float:
    """Return the median of several times, after a first one that compiles."""
    part()
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        part()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _flops(run: Run) -> int:
    """Return the operations of an image in a training step."""
    import keras

    from benchmarks.gpu.arithmetic import training_flops

    # A copy, for layers that two models share have two output shapes.
    return training_flops(keras.models.clone_model(run.model.view_encoder))


def _last_round(run: Run) -> dict[str, Any]:
    """Return how long the last round took as a whole, by its checkpoints."""
    from and_tf.training.checkpoint import Checkpoint
    from and_tf.training.experiment import rounds_of

    kept = run.directory.checkpoints.of_rounds(rounds_of(run.config))
    last, before = max(kept), max(kept) - 1
    seconds = [Checkpoint(kept[r]).metadata["seconds"] for r in (before, last)]
    return {
        "round_epochs": run.config.epochs_per_round,
        "round_seconds": seconds[1] - seconds[0],
    }
