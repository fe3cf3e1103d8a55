"""Trains the epochs that a run still lacks, and keeps what they give."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

import keras

from and_tf.data.step_batches import StepBatches
from and_tf.distribution.process_group import ProcessGroup
from and_tf.distribution.strategy import accelerated
from and_tf.training import fit_loop
from and_tf.training.callbacks.checkpointing import Recorder
from and_tf.training.checkpoint import best_epochs
from and_tf.training.config import LoopConfig
from and_tf.training.run_directory import OutputDirectory
from and_tf.utils.signals import Interruption


class Run(Protocol):
    """A run that `fit` can train: a training or a clustering.

    Attributes:
        config: What it was told.
        directory: Where it writes.
        model: Compiled.
        metadata: What its checkpoints carry beside arrays: "history", "seconds"
            and, of an epoch that was interrupted, "step".
        processes: Who trains.
    """

    @property
    def config(self) -> LoopConfig: ...

    @property
    def directory(self) -> OutputDirectory: ...

    @property
    def model(self) -> keras.Model: ...

    @property
    def metadata(self) -> dict[str, Any]: ...

    @property
    def processes(self) -> ProcessGroup: ...


def fit(
    run: Run,
    *,
    epochs: int,
    steps: int,
    batches: Callable[..., StepBatches],
    callbacks: Callable[[Recorder, int, int], list[keras.callbacks.Callback]],
    ends: Collection[int] = (),
    kept: Collection[int] = (),
    best: Callable[[list[dict]], int] = best_epochs,
) -> Recorder:
    """Trains the epochs that are missing, with a record that outlives a kill.

    Args:
        run: What is trained.
        epochs: How many there are to be, those done before counted.
        steps: Of an epoch.
        batches: Makes the batches from `seed`, `epochs`, `first_epoch` and
            `first_step`, see `pipeline.train_batches`.
        callbacks: What happens around the steps, from the recorder, the first
            epoch, and the steps that were done of it.
        ends: Epochs after which there is a checkpoint in any case,
        kept: those whose checkpoints are not replaced by later ones,
        best: and after how many the run was best, whose is not either.

    Returns:
        What was recorded.
    """
    config, done = run.config, len(run.metadata["history"])
    first_step = run.metadata.get("step", 0)
    interruption = Interruption()
    recorder = Recorder(
        run.directory,
        run.metadata,
        list(run.metadata["history"]),
        run.metadata["seconds"],
        first_step=first_step,
        every=config.checkpoint_steps,
        every_epochs=config.checkpoint_epochs,
        every_seconds=config.checkpoint_seconds,
        ends=ends,
        kept=kept,
        best=best,
        interruption=interruption,
        writes=run.processes.chief,
    )
    # What was killed may have written no last row.
    if recorder.history and run.processes.chief:
        run.directory.write_metrics(recorder.history)
    if done == epochs:
        return recorder
    with interruption.heard(), recorder.closing():
        fit_loop.fit(
            run.model,
            batches(
                seed=config.seed,
                epochs=epochs,
                first_epoch=done,
                first_step=first_step,
            ),
            callbacks(recorder, done, first_step),
            epochs=epochs,
            steps=steps,
            first_epoch=done,
            first_step=first_step,
            sizes=fit_loop.GroupSizes(
                config.steps_per_execution, accelerated(run.processes.strategy)
            ),
            boundary=config.checkpoint_steps,
        )
    return recorder
