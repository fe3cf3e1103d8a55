"""The epochs of a clustering's steps, and what happens around theirs."""

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
    """One of a clustering's steps: what it learns from, and for how long.

    Attributes:
        last: The number of its last epoch, counted from 1 and from the
            beginning of the clustering.
        batch_size: B.
        batches: See `pairs.batches_of`, but for where it begins and ends.
        remedy: What to try where its loss is no number.
        figures: What else an epoch's logs say of an assessment.
        patience: See `confidence.settled`; 0 has it last to its end.
    """

    last: int
    batch_size: int
    batches: Callable[..., tf.data.Dataset]
    remedy: str = "Try a lower --learning_rate"
    figures: Callable[[Assessment], dict] | None = None
    patience: int = 0


def fit(run: ClusteringRun, stage: Stage) -> Recorder:
    """Trains the epochs that are missing; returns what was recorded."""
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
