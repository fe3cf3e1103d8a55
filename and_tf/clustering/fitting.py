"""The epochs of a clustering, and what happens around their steps."""

from __future__ import annotations

import keras

from and_tf.callbacks.finite_loss import FiniteLoss
from and_tf.callbacks.progress import Progress
from and_tf.callbacks.recorder import Recorder
from and_tf.callbacks.speed import Speed
from and_tf.clustering.job import ClusteringRun
from and_tf.clustering.pairs import pair_batches, steps_per_epoch
from and_tf.clustering.validation import Validation
from and_tf.clustering.views import recipe
from and_tf.fitting import legs
from and_tf.interruption import Interruption
from and_tf.multi_worker import fit_data
from and_tf.training import view_config


def fit(run: ClusteringRun) -> Recorder:
    """Trains the epochs that are missing; returns what was recorded."""
    config, team = run.config, run.team
    train = run.source.images.train
    steps = steps_per_epoch(train, config.batch_size)
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
    view = recipe(
        config.augmentation,
        view_config(run.source.config, run.source.image_size),
        run.source.notes["mean"],
    )
    with interruption.heard():
        for first, last, step in legs(
            len(recorder.history), first_step, config.epochs
        ):
            batches = pair_batches(
                train,
                run.mined.train,
                view,
                batch_size=config.batch_size,
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
                callbacks=callbacks(run, recorder, steps, first, step),
                shuffle=False,
                verbose=0,
            )
    return recorder


def callbacks(
    run: ClusteringRun,
    recorder: Recorder,
    steps: int,
    first_epoch: int,
    first_step: int,
) -> list[keras.callbacks.Callback]:
    """Everything around the steps, in the order of `and_tf.fitting`."""
    return [
        Speed(steps * run.config.batch_size, steps, first_step),
        FiniteLoss(
            run.directory.checkpoints, remedy="Try a lower --learning_rate"
        ),
        Validation(run.assess, run.accuracy),
        recorder,
        *([run.board] if run.board else []),
        Progress(
            run.config.epochs, steps, 0, first_epoch, first_step=first_step
        ),
    ]
