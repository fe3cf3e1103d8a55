"""Trains the epochs of a clustering stage with its callbacks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from and_tf.data.step_batches import HostBatches
from and_tf.scan.experiment import ClusteringRun
from and_tf.scan.pair_batches import steps_per_epoch
from and_tf.scan.stopping import EndWhenSettled
from and_tf.scan.validation import Assessment, Validation, lowest_loss
from and_tf.training import epochs
from and_tf.training.callbacks.checkpointing import Recorder
from and_tf.training.callbacks.finite_loss import FiniteLoss
from and_tf.training.callbacks.progress import Progress
from and_tf.training.callbacks.speed import Speed


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage of a clustering: either clustering or self-labelling.

    Attributes:
        last: The number of its last epoch, counted from 1 at the start of the
            clustering.
        batch_size: The global batch size B.
        batches: A function that makes the batches. It takes the keyword
            arguments of `pair_batches.batches_of`.
        remedy: A sentence that says what to try if the loss is not finite.
        figures: A function from an assessment to additional logs of an epoch.
        patience: The number of epochs without growth after which the stage
            ends, see `stopping.settled`. 0 never ends it early.
    """

    last: int
    batch_size: int
    batches: Callable[..., tf.data.Dataset]
    remedy: str = "Try a lower --learning_rate"
    figures: Callable[[Assessment], dict] | None = None
    patience: int = 0


def fit(run: ClusteringRun, stage: Stage) -> Recorder:
    """Trains the remaining epochs of a stage and returns the recorder."""
    steps = steps_per_epoch(run.source.images.train, stage.batch_size)
    share = (run.processes.index, run.processes.size)

    def batches(**span: int) -> HostBatches:
        dataset = stage.batches(
            batch_size=stage.batch_size, share=share, **span
        )
        return HostBatches(dataset, run.processes)

    return epochs.fit(
        run,
        epochs=stage.last,
        steps=steps,
        batches=batches,
        callbacks=functools.partial(callbacks, run, stage, steps),
        best=lowest_loss,
    )


def callbacks(
    run: ClusteringRun,
    stage: Stage,
    steps: int,
    recorder: Recorder,
    first_epoch: int,
    first_step: int,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks, in the order of `training.train_callbacks`."""
    return [
        Speed(steps * stage.batch_size, steps, first_step),
        FiniteLoss(run.directory.checkpoints, remedy=stage.remedy),
        Validation(run.assess, run.accuracy, stage.figures),
        recorder,
        EndWhenSettled(recorder.history, stage.patience),
        *([run.board] if run.board else []),
        Progress(stage.last, steps, 0, first_epoch, first_step=first_step),
    ]
