"""The epochs of a clustering's steps, and what happens around theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from and_tf.callbacks.finite_loss import FiniteLoss
from and_tf.callbacks.progress import Progress
from and_tf.callbacks.recorder import Recorder
from and_tf.callbacks.speed import Speed
from and_tf.clustering.assessment import Assessment
from and_tf.clustering.confidence import EndWhenSettled
from and_tf.clustering.job import ClusteringRun
from and_tf.clustering.pairs import steps_per_epoch
from and_tf.clustering.validation import Validation
from and_tf.fitting import legs
from and_tf.interruption import Interruption
from and_tf.multi_worker import fit_data


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
    config, team = run.config, run.team
    train = run.source.images.train
    steps = steps_per_epoch(train, stage.batch_size)
    first_step = run.notes.get("step", 0)
    interruption = Interruption()
    recorder = Recorder(
        run.directory,
        run.notes,
        list(run.notes["history"]),
        run.notes["seconds"],
        first_step=first_step,
        every=config.checkpoint_steps,
        interruption=interruption,
        writes=team.chief,
    )
    # What was killed may have written no last row.
    if recorder.history and team.chief:
        run.directory.write_metrics(recorder.history)
    with interruption.heard():
        for first, last, step in legs(
            len(recorder.history), first_step, stage.last
        ):
            batches = stage.batches(
                batch_size=stage.batch_size,
                seed=config.seed,
                epochs=last,
                first_epoch=first,
                first_step=step,
                share=(team.index, team.size),
            )
            run.model.fit(
                fit_data(batches, team),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=steps - step,
                callbacks=callbacks(run, stage, recorder, steps, first, step),
                shuffle=False,
                verbose=0,
            )
            if run.model.stop_training:
                break
    return recorder


def callbacks(
    run: ClusteringRun,
    stage: Stage,
    recorder: Recorder,
    steps: int,
    first_epoch: int,
    first_step: int,
) -> list[keras.callbacks.Callback]:
    """Everything around the steps, in the order of `and_tf.fitting`."""
    return [
        Speed(steps * stage.batch_size, steps, first_step),
        FiniteLoss(run.directory.checkpoints, remedy=stage.remedy),
        Validation(run.assess, run.accuracy, stage.figures),
        recorder,
        EndWhenSettled(recorder.history, stage.patience),
        *([run.board] if run.board else []),
        Progress(stage.last, steps, 0, first_epoch, first_step=first_step),
    ]
