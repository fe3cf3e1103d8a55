"""Trains the epochs that a run still lacks, and records them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

import keras

from and_tf.data.step_batches import StepBatches
from and_tf.distribution.process_group import ProcessGroup
from and_tf.distribution.signals_between import hear_others
from and_tf.distribution.strategy import accelerated
from and_tf.training import fit_loop
from and_tf.training.callbacks.checkpointing import Recorder
from and_tf.training.checkpoint import best_epochs
from and_tf.training.flags.loop import LoopConfig
from and_tf.training.run_directory import OutputDirectory
from and_tf.utils.signals import Interruption


class Run(Protocol):
    """A run that `fit` can train: a training or a clustering.

    Attributes:
        config: The flags of the run.
        directory: The run's directory.
        model: The compiled model.
        metadata: The values that checkpoints hold beside arrays: "history",
            "seconds" and, if an epoch was interrupted, "step".
        processes: The processes that train together.
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
    """Trains the epochs that are missing, and writes checkpoints meanwhile.

    Args:
        run: The run to train.
        epochs: The number of epochs in all, with those done before.
        steps: The number of steps in an epoch.
        batches: Makes the batches from `seed`, `epochs`, `first_epoch` and
            `first_step`, see `pipeline.train_batches`.
        callbacks: Makes the callbacks from the recorder, the first epoch, and
            the number of its steps that were done before.
        ends: Numbers of finished epochs at which a checkpoint is written in
            any case.
        kept: Numbers of finished epochs at which a checkpoint is written and
            never deleted.
        best: Returns from the history after how many epochs the run was best.
            That checkpoint is not deleted either.

    Returns:
        The recorder, which has the history and the seconds of the run.
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
    # A process that was killed may not have written the last row.
    if recorder.history and run.processes.chief:
        run.directory.write_metrics(recorder.history)
    if done == epochs:
        return recorder
    with interruption.heard(), recorder.closing():
        hear_others(interruption, run.processes)
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
