"""A training run, from its config to its result: where the parts are wired."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Collection
from typing import Any

import keras

from and_tf import backbones, data, joining, strategy, summary
from and_tf.augmentation import RandomView, ViewConfig
from and_tf.callbacks.evaluation import Evaluation
from and_tf.callbacks.finite_loss import FiniteLoss
from and_tf.callbacks.progress import Progress
from and_tf.callbacks.recorder import Recorder, state
from and_tf.callbacks.speed import Speed
from and_tf.callbacks.tensorboard import TensorBoardWriter
from and_tf.checkpoint import Checkpoint
from and_tf.config import TrainConfig
from and_tf.curriculum import Curriculum
from and_tf.data.normalisation import normalisation
from and_tf.data.pictures import pictures
from and_tf.data.pipeline import (
    check_parts,
    steps_per_epoch,
    train_batches,
)
from and_tf.data.split import ImageData, Split
from and_tf.discovery import Neighbourhoods
from and_tf.errors import InputError
from and_tf.evaluation.run_knn import RunKnn
from and_tf.interruption import Interruption
from and_tf.model import AND
from and_tf.multi_worker import fit_data
from and_tf.optimiser import CoupledSGD
from and_tf.run_directory import RunDirectory
from and_tf.schedule import Rounds, RoundSchedule
from and_tf.team import Team
from and_tf.training import Training


def train(config: TrainConfig) -> dict[str, Any]:
    """Trains, or goes on training, and leaves a run directory behind.

    Of several processes the first, the chief, alone reads and writes it.

    Args:
        config: The run.

    Returns:
        The content of result.json.

    Raises:
        InputError: For everything that a user can mend.
    """
    team = Team(strategy.build(config.strategy))
    directory = RunDirectory(config.run_directory)
    with team.joined(), joining.held(directory, team):
        checkpoint, result = joining.claim(directory, config, team)
        if checkpoint and checkpoint.epochs == rounds_of(config).epochs:
            if result is not None:
                summary.show(directory, result)
                return result
        training = prepare(config, directory, checkpoint, team)
        result = summary.finish(training, fit(training))
        team.wait()  # Until the chief has written it all.
        return result


def prepare(
    config: TrainConfig,
    directory: RunDirectory,
    checkpoint: Checkpoint | None,
    team: Team,
) -> Training:
    """Loads the data and makes the model, new or as the checkpoint has it."""
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    images = load_images(config)
    summary.print_start(images, config, team)
    joining.check_images(images.train.size, fingerprint(images.train), team)
    check_parts(
        images.train,
        config.batch_size,
        team.strategy.num_replicas_in_sync,
    )

    notes = checkpoint.notes if checkpoint else first_notes(config, images)
    with team.strategy.scope():
        model = build_model(config, images, notes["encoder"])
    if checkpoint:
        restore(model, checkpoint, images)
    training = Training(
        config,
        directory,
        images,
        model,
        RunKnn(
            images,
            notes["encoder"]["image_size"],
            config.knn_neighbours,
            config.knn_temperature,
            team,
        ),
        TensorBoardWriter(
            directory.tensorboard,
            dataclasses.asdict(config),
            notes["history"],
            notes.get("step", 0),
        )
        if team.chief
        else None,
        notes,
        team,
    )
    if not checkpoint:
        begin(training)
    return training


def rounds_of(config: TrainConfig) -> Rounds:
    """When the run's rounds begin and end."""
    return Rounds(
        config.rounds, config.epochs_per_round, config.first_round_epochs
    )


def load_images(config: TrainConfig) -> ImageData:
    """Loads the data set that a config names."""
    return data.load(
        config.dataset,
        config.data_dir or None,
        image_size=config.image_size,
        label_key=config.label_key,
        train_split=config.train_split,
        test_split=config.test_split,
        max_train_examples=config.max_train_examples,
        max_test_examples=config.max_test_examples,
        seed=config.seed,
        memory_limit=int(config.memory_gib * 2**30),
    )


def first_notes(config: TrainConfig, images: ImageData) -> dict[str, Any]:
    """What the checkpoints of a new run carry beside its arrays.

    `encoder` alone is enough to build the encoder again, without the data.
    """
    mean, std = normalisation(config.dataset)
    return {
        "encoder": {
            "name": config.backbone,
            "image_size": data.resolve_image_size(
                config.image_size, images.train
            ),
            "embedding_dim": config.embedding_dim,
            "mean": mean,
            "std": std,
        },
        "num_examples": images.train.size,
        "data": fingerprint(images.train),
        "history": [],
        "seconds": 0.0,
        "baselines": {},
    }


def fingerprint(split: Split) -> str:
    """What tells one set of images from another of the same size.

    Their names and classes; pixels are not read, as one version of a decoder
    may give others than the next.
    """
    names = repr((split.size, split.class_names, split.file_names))
    return hashlib.sha256(names.encode()).hexdigest()


def view_config(config: TrainConfig, image_size: int) -> ViewConfig:
    """How the run augments."""
    return ViewConfig(
        image_size=image_size,
        crop_area=(config.crop_area, 1.0),
        brightness=config.colour_jitter,
        contrast=config.colour_jitter,
        saturation=config.colour_jitter,
        hue=min(config.colour_jitter, 0.5),
        greyscale=config.greyscale,
        flip=config.flip,
    )


def build_model(
    config: TrainConfig, images: ImageData, encoder: dict[str, Any]
) -> AND:
    """Makes the compiled model of a run, with fresh weights."""
    augmenter = None
    if config.augment_on_device:
        augmenter = RandomView(view_config(config, encoder["image_size"]))
    built = backbones.build(**encoder)
    if config.sync_batch_norm:
        backbones.synchronise_batch_norm(built)
    model = AND(
        built,
        images.train.size,
        neighbourhood_size=config.neighbourhood_size,
        temperature=config.temperature,
        memory_momentum=config.memory_momentum,
        bank_initialiser="uniform"
        if config.bank_initialiser == "uniform"
        else "unit",
        augmenter=augmenter,
        shard_bank=config.shard_bank,
        block_rows=config.loss_block_rows,
        seed=config.seed,
    )
    rate = RoundSchedule(
        config.learning_rate,
        config.learning_rate_schedule,
        steps_per_epoch(images.train, config.batch_size),
        rounds=config.rounds,
        epochs_per_round=config.epochs_per_round,
        initial_epochs=config.first_round_epochs,
        warmup_epochs=config.warmup_epochs,
    )
    model.compile(CoupledSGD(rate, weight_decay=config.weight_decay))
    model.optimizer.build(model.trainable_variables)
    return model


def restore(
    model: AND,
    checkpoint: Checkpoint,
    images: ImageData,
    groups: Collection[str] = ("encoder", "method", "optimiser", "metrics"),
) -> None:
    """Puts a run's state back into its model.

    Args:
        model: The model that `build_model` makes.
        checkpoint: The run's.
        images: Its data set.
        groups: Which parts; all of them to go on training.

    Raises:
        InputError: If the checkpoint is of other images or another model, or
            was written without one of the parts.
    """
    num_examples = checkpoint.notes["num_examples"]
    if num_examples != images.train.size:
        raise InputError(
            f"Expected the {num_examples:,} training images that the run "
            f"began with, since the memory bank has a row for each. "
            f"Received: {images.train.size:,}. Restore the data, or begin "
            "another run with another --run_dir."
        )
    data_mark = checkpoint.notes.get("data")
    if data_mark not in (None, fingerprint(images.train)):
        raise InputError(
            f"Expected the training images that the run in {checkpoint.path} "
            f"began with, since the memory bank has a row for each. Received "
            f"others in {images.train.name}: as many, but of other names or "
            "classes. Restore the data, or begin another run with another "
            "--run_dir."
        )
    for group, variables in state(model).items():
        # Metrics are sums over an epoch, which begin with each.
        begins = group == "metrics" and not checkpoint.step
        if group in groups and not begins:
            checkpoint.restore(group, variables)


def begin(training: Training) -> None:
    """What a new run does before its first step, and a resumed one not."""
    if training.config.bank_initialiser == "encoder":
        training.model.fill_bank(training.clean_views())
    # Not of what is streamed, where each would be one more pass over the
    # disk.
    held = training.images.train.images is not None
    if training.config.baselines and held and training.knn.possible:
        for name, evaluate in (
            ("raw pixels", training.knn.raw_pixels),
            ("untrained encoder", lambda: training.knn.clean(training.model)),
        ):
            training.notes["baselines"][name] = evaluate().top1
            summary.print_baseline(name, training.notes["baselines"][name])


def fit(training: Training) -> Recorder:
    """Trains the epochs that are missing; returns what was recorded."""
    config, train_split = training.config, training.images.train
    plan = rounds_of(config)
    steps = steps_per_epoch(train_split, config.batch_size)
    first_step = training.notes.get("step", 0)
    interruption = Interruption()
    recorder = Recorder(
        training.directory,
        training.notes,
        list(training.notes["history"]),
        training.notes["seconds"],
        first_step=first_step,
        every=config.checkpoint_steps,
        interruption=interruption,
        writes=training.team.chief,
    )
    if (
        recorder.history and training.team.chief
    ):  # Its last row may have come no further.
        training.directory.write_metrics(recorder.history)
    with interruption.heard():
        for first, last, step in legs(
            len(recorder.history), first_step, plan.epochs
        ):
            training.model.fit(
                fit_data(
                    train_batches(
                        train_split,
                        view_config(config, training.image_size),
                        batch_size=config.batch_size,
                        seed=config.seed,
                        epochs=last,
                        first_epoch=first,
                        first_step=step,
                        on_device=config.augment_on_device,
                        share=(training.team.index, training.team.size),
                    ),
                    training.team,
                ),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=steps - step,
                callbacks=callbacks(training, plan, recorder, first, step),
                shuffle=False,
                verbose=0,
            )
    return recorder


def legs(epoch: int, step: int, epochs: int) -> list[tuple[int, int, int]]:
    """Calls of `fit` that finish a run.

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


def callbacks(
    training: Training,
    plan: Rounds,
    recorder: Recorder,
    first_epoch: int,
    first_step: int,
) -> list[keras.callbacks.Callback]:
    """Everything that happens around the steps of a training."""
    config, train_split = training.config, training.images.train
    steps = steps_per_epoch(train_split, config.batch_size)

    def keep(found: Neighbourhoods) -> None:
        training.directory.write_neighbourhoods(found)
        training.board.write_neighbourhoods(
            found,
            functools.partial(pictures, train_split),
            train_split.labels,
            len(recorder.history),
            train_split.class_names,
        )

    curriculum = Curriculum(
        plan.rounds,
        plan.epochs_per_round,
        plan.initial_epochs,
        selection=config.selection,
        images=training.clean_views(),
        labels=train_split.labels,
        on_discovery=keep if training.board else None,
        first_step=first_step,
    )
    # The order is important: what a callback adds to the logs of an epoch,
    # those after it see.
    # 1. The rounds, before the clock of the epoch starts.
    # 2. The clock, before anything that is not training.
    # 3. The loss, before anything is done with a broken model.
    # 4. Evaluation, so that its figures are recorded.
    # 5. The record, so that nothing is shown that is not kept.
    # 6. What people watch.
    return [
        curriculum,
        Speed(train_split.size, steps, first_step),
        FiniteLoss(training.directory.checkpoints),
        Evaluation(training.knn, plan, config.evaluate_every),
        recorder,
        *([training.board] if training.board else []),
        Progress(
            plan.epochs,
            steps,
            plan.rounds,
            first_epoch,
            first_step=first_step,
        ),
    ]
