"""Trains the epochs of a run, with the callbacks around their steps."""

from __future__ import annotations

import functools

import keras
import numpy as np

from and_tf.data.pipeline import steps_per_epoch, train_batches
from and_tf.data.preprocessing import pictures
from and_tf.data.step_batches import DeviceBatches, HostBatches, StepBatches
from and_tf.method.curriculum import Curriculum
from and_tf.method.discovery import Neighbourhoods
from and_tf.method.rounds import Rounds
from and_tf.training import epochs
from and_tf.training.callbacks.checkpointing import Recorder
from and_tf.training.callbacks.evaluation import Evaluation
from and_tf.training.callbacks.finite_loss import FiniteLoss
from and_tf.training.callbacks.progress import Progress
from and_tf.training.callbacks.rewhitening import Rewhitening
from and_tf.training.callbacks.speed import Speed
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import Training, rounds_of, view_config
from and_tf.utils.averages import percent

# Nats. Below it, an image's own row has most of p in equation 5, and the lowest
# entropies were those of isolated images (docs/neighbourhoods.md).
ISOLATED = 1.0


def fit(training: Training) -> Recorder:
    """Trains the epochs that are missing, and returns the recorder."""
    config, train_split = training.config, training.images.train
    plan = rounds_of(config)
    ends = tuple(plan.ends.values())
    return epochs.fit(
        training,
        epochs=plan.epochs,
        steps=steps_per_epoch(train_split, config.batch_size),
        batches=functools.partial(batches, training),
        callbacks=functools.partial(callbacks, training, plan),
        ends=ends,
        kept=ends if config.keep_rounds else (),
    )


def batches(training: Training, *, seed: int, **span: int) -> StepBatches:
    """Makes the source of a training's batches.

    Args:
        training: The run in progress.
        seed: The random seed of the data order and of the views.
        **span: `epochs`, `first_epoch` and `first_step`, see `train_batches`.
    """
    config, train_split = training.config, training.images.train
    processes = training.processes
    view = view_config(config, training.view_size)
    shared = {"batch_size": config.batch_size, "seed": seed}
    if training.on_device:
        return DeviceBatches(train_split, view, processes=processes, **shared)
    dataset = train_batches(
        train_split,
        view,
        on_device=config.augment_on_device,
        share=(processes.index, processes.size),
        **shared,
        **span,
    )
    return HostBatches(dataset, processes)


def callbacks(
    training: Training,
    plan: Rounds,
    recorder: Recorder,
    first_epoch: int,
    first_step: int,
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks of a training, in the order that they need."""
    config, train_split = training.config, training.images.train
    steps = steps_per_epoch(train_split, config.batch_size)
    rounds = []
    if config.has_bank:
        rounds = [curriculum(training, plan, recorder, first_step)]
    # The order is important: a callback sees what the callbacks before it have
    # added to the logs of an epoch.
    # 1. The rounds, before the clock of the epoch starts.
    # 2. The clock, before anything that is not training.
    # 3. The check of the loss, before anything is done with a broken model.
    # 4. The last change of the head, so that it is evaluated and recorded.
    # 5. The evaluation, so that its figures are recorded.
    # 6. The recorder, so that nothing is shown that is not recorded.
    # 7. TensorBoard, a tracker and the console, which people watch.
    return [
        *rounds,
        Speed(train_split.size, steps, first_step),
        FiniteLoss(training.directory.checkpoints),
        *([Rewhitening(training, plan.epochs)] if config.rewhiten else []),
        Evaluation(
            training.knn,
            plan,
            config.evaluate_every,
            config.has_bank,
            ends_clean=bool(config.rewhiten) and config.has_bank,
        ),
        recorder,
        *([training.board] if training.board else []),
        *([training.tracker.callback] if training.tracker else []),
        Progress(
            plan.epochs,
            steps,
            plan.rounds,
            first_epoch,
            first_step=first_step,
        ),
    ]


def remarks(found: Neighbourhoods, config: TrainConfig) -> list[str]:
    """Says what a user should know of the neighbourhoods of a round."""
    said = []
    if found.recall is not None:
        said.append(
            f"{percent(found.recall)} of the nearest neighbours were found in "
            f"{config.search_probes} cells, as a sample says"
        )
    middle = float(np.median(found.entropy))
    selects = config.selection == "curriculum" and not found.is_anchor.all()
    if selects and middle < ISOLATED:
        said.append(
            f"half of the entropies are below {middle:.2f} nats, so that most "
            "images are similar to nothing but their own row. The anchors are "
            "then images far from all others, whose neighbours are seldom "
            f"right. A --temperature above {config.temperature:g} selects "
            "others"
        )
    return said


def curriculum(
    training: Training, plan: Rounds, recorder: Recorder, first_step: int
) -> Curriculum:
    """Makes the callback that runs the rounds and keeps their discoveries."""
    config, train_split = training.config, training.images.train

    def keep(board: TensorBoardWriter, found: Neighbourhoods) -> None:
        for remark in remarks(found, config):
            print(f"round {found.round}: {remark}", flush=True)
        training.directory.write_neighbourhoods(found)
        board.write_neighbourhoods(
            found,
            functools.partial(pictures, train_split),
            train_split.labels,
            len(recorder.history),
            train_split.class_names,
        )

    return Curriculum(
        plan.rounds,
        plan.epochs_per_round,
        plan.initial_epochs,
        selection=config.selection,
        clusters=config.clusters,
        search_probes=config.search_probes,
        seed=config.seed,
        images=training.clean_views(),
        rows=training.searched,
        labels=train_split.labels,
        on_discovery=functools.partial(keep, training.board)
        if training.board
        else None,
        first_step=first_step,
        progress=functools.partial(training.shown, "search neighbours"),
    )
