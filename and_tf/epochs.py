"""The epochs that a run still has to train, whatever trains in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import keras
import tensorflow as tf

from and_tf.callbacks.recorder import Recorder
from and_tf.checkpoint import best_epochs
from and_tf.interruption import Interruption
from and_tf.multi_worker import fit_data
from and_tf.team import Team


class Run(Protocol):
    """What `fit` has to know of a run, be it a training or a clustering.

    Attributes:
        config: Has `seed` and `checkpoint_steps`.
        directory: A `RunDirectory`, or one like it.
        model: Compiled.
        notes: What its checkpoints carry beside arrays: "history", "seconds"
            and, of an epoch that was interrupted, "step".
        team: Who trains.
    """

    config: Any
    directory: Any
    model: keras.Model
    notes: dict[str, Any]
    team: Team


def fit(
    run: Run,
    *,
    epochs: int,
    steps: int,
    batches: Callable[..., tf.data.Dataset],
    callbacks: Callable[[Recorder, int, int], list[keras.callbacks.Callback]],
    kept: Iterable[int] = (),
    best: Callable[[list[dict]], int] = best_epochs,
) -> Recorder:
    """Trains the epochs that are missing, with a record that outlives a kill.

    Args:
        run: What is trained.
        epochs: How many there are to be, those done before counted.
        steps: Of an epoch.
        batches: Makes the batches from `seed`, `epochs`, `first_epoch`,
            `first_step` and `share`, see `pipeline.train_batches`.
        callbacks: What happens around the steps, from the recorder, the first
            epoch of a call of `fit`, and the steps that were done of it.
        kept: Epochs whose checkpoints are not replaced by later ones,
        best: and after how many the run was best, whose is not either.

    Returns:
        What was recorded.
    """
    first_step = run.notes.get("step", 0)
    interruption = Interruption()
    recorder = Recorder(
        run.directory,
        run.notes,
        list(run.notes["history"]),
        run.notes["seconds"],
        first_step=first_step,
        every=run.config.checkpoint_steps,
        kept=kept,
        best=best,
        interruption=interruption,
        writes=run.team.chief,
    )
    # What was killed may have written no last row.
    if recorder.history and run.team.chief:
        run.directory.write_metrics(recorder.history)
    with interruption.heard():
        for first, last, step in legs(
            len(recorder.history), first_step, epochs
        ):
            data = batches(
                seed=run.config.seed,
                epochs=last,
                first_epoch=first,
                first_step=step,
                share=(run.team.index, run.team.size),
            )
            run.model.fit(
                fit_data(data, run.team),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=steps - step,
                callbacks=callbacks(recorder, first, step),
                shuffle=False,
                verbose=0,
            )
            if run.model.stop_training:
                break
    return recorder


def legs(epoch: int, step: int, epochs: int) -> list[tuple[int, int, int]]:
    """Calls of Keras' `fit` that finish a run.

    Keras gives all epochs of a call as many steps, so the rest of one that
    was interrupted has a call of its own.

    Args:
        epoch: Finished epochs.
        step: Steps done in the next.
        epochs: How many there are to be.

    Returns:
        (first epoch, end of the epochs, steps done of the first).
    """
    parts = [(epoch, epoch + 1, step)] if step else []
    rest = epoch + len(parts)
    return parts + ([(rest, epochs, 0)] if rest < epochs else [])
