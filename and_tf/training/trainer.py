"""Trains a run from its config to its result, and wires its parts together."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from and_tf import data, encoders
from and_tf.augmentation import RandomView
from and_tf.data.pipeline import check_parts, steps_per_epoch
from and_tf.data.pixel_format import PixelFormat
from and_tf.data.split import ImageData
from and_tf.distribution import strategy
from and_tf.distribution.process_group import ProcessGroup
from and_tf.encoders import freezing, heads, whitening
from and_tf.evaluation.run_knn import RunKnn
from and_tf.method.encoder_model import Pretext
from and_tf.method.optimizers import CoupledSGD
from and_tf.method.rounds import RoundSchedule
from and_tf.training import (
    building,
    multi_process,
    placement,
    results,
    sources,
    start_encoder,
    teaching,
    warm_start,
)
from and_tf.training.callbacks import tracking
from and_tf.training.callbacks.checkpointing import state
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import Training, rounds_of, view_config
from and_tf.training.restore import (
    check_data,
    fingerprint,
    first_metadata,
    restore,
)
from and_tf.training.run_directory import RunDirectory
from and_tf.training.sources import Start, located
from and_tf.training.train_callbacks import fit


def train(config: TrainConfig) -> dict[str, Any]:
    """Trains a run, or continues it, and writes its run directory.

    If several processes train together, only the first, the chief, reads and
    writes the directory.

    Args:
        config: The flags of the run: `and_tf.TrainConfig` has a field
            for each flag of `and_tf.train`.

    Returns:
        The content of result.json.

    Raises:
        InputError: If training fails for a reason that a user can correct.
        Interrupted: If SIGINT or SIGTERM has asked the process to end. The
            step is kept; with `resume`, the same config goes on from it.

    Examples:
        >>> import and_tf
        >>> config = and_tf.TrainConfig(
        ...     dataset="digits",
        ...     max_train_examples=200,
        ...     encoder="small",
        ...     embedding_dim=16,
        ...     initial_epochs=1,
        ...     rounds=1,
        ...     epochs_per_round=1,
        ...     run_dir="runs/digits",
        ... )
        >>> result = and_tf.train_run(config)  # doctest: +ELLIPSIS
        small on ...
        >>> result["knn_top1_last"] > 0.2  # A tenth by chance.
        True
    """
    tracking.check(config.tracker)
    processes = ProcessGroup(
        strategy.build(config.strategy, config.communication)
    )
    directory = RunDirectory(config.run_directory)
    with processes.joined(), multi_process.held(directory, processes):
        start = None
        if config.start_from:
            start = functools.partial(warm_start.find, config)
        checkpoint, result = multi_process.claim(
            directory, config, processes, start
        )
        if checkpoint and checkpoint.epochs == rounds_of(config).epochs:
            if result is not None:
                results.show(directory, result)
                return result
        training = prepare(config, directory, checkpoint, processes)
        if not checkpoint and not rounds_of(config).epochs:
            keep_start(training)
        with tracked(training) as training:
            result = results.finish(training, fit(training))
        processes.wait()  # Until the chief has written it all.
        return result


def prepare(
    config: TrainConfig,
    directory: RunDirectory,
    checkpoint: Checkpoint | None,
    processes: ProcessGroup,
) -> Training:
    """Loads the data and makes the model, new or restored from a checkpoint."""
    keras.config.set_dtype_policy(config.precision)
    config = config.resolved
    start, metadata = None, {}
    if checkpoint:
        metadata = checkpoint.metadata
        own_size = metadata["encoder"]["image_size"]
    else:
        start = sources.find(config)
        own_size = start.image_size
    form = PixelFormat.of(metadata["encoder"]) if checkpoint else None
    images = load_images(config, own_size, form)
    on_gpu = strategy.accelerated(processes.strategy)
    config = placement.resolve(config, images, on_gpu)
    on_device = (
        placement.fits(config, images.train, processes) if on_gpu else False
    )
    multi_process.check_images(
        images.train.size, fingerprint(images.train), processes
    )
    check_parts(
        images.train,
        config.batch_size,
        processes.strategy.num_replicas_in_sync,
    )

    if checkpoint:
        check_data(checkpoint, images)
    if start:
        metadata = first_metadata(config, images, start)
    teacher = teaching.of_run(config, metadata, processes)
    results.print_start(images, config, metadata, processes, on_device)
    if start and start.note:
        print(start.note)
    lesson = None
    if teacher:
        lesson = teaching.learn(
            teacher,
            config,
            directory,
            images,
            metadata,
            processes,
            functools.partial(load_images, form=images.form),
        )
    # The seed is set after loading the data and the teacher: both draw from
    # Python's generator, and a run must not depend on whether that was needed.
    keras.utils.set_random_seed(config.seed)
    with processes.strategy.scope():
        model = build_model(
            config,
            images,
            located(metadata["encoder"], directory),
            lesson.rows.targets if lesson and config.is_taught else None,
        )
    if checkpoint:
        restore(model, checkpoint, images)
    training = Training(
        config,
        directory,
        images,
        model,
        RunKnn(
            images,
            metadata["encoder"]["image_size"],
            config.knn_neighbours,
            config.knn_temperature,
            processes,
        ),
        None,
        metadata,
        processes,
        on_device,
        lesson.rows.rows
        if lesson and config.discover_in == "teacher"
        else None,
    )
    if start:
        begin(training, start)
    if lesson and teaching.BASELINE not in metadata["baselines"]:
        teaching.evaluate(training, lesson)
    # Weights that do not fit end a run before it writes more than its flags.
    return with_board(training)


def with_board(training: Training) -> Training:
    """Opens the TensorBoard writer of a run, on the process that writes."""
    if not training.processes.chief:
        return training
    metadata = training.metadata
    board = TensorBoardWriter(
        training.directory.tensorboard,
        dataclasses.asdict(training.config),
        metadata["history"],
        metadata.get("step", 0),
    )
    return dataclasses.replace(training, board=board)


@contextlib.contextmanager
def tracked(training: Training) -> Iterator[Training]:
    """Sends a run to its tracker, from the process that writes."""
    config = training.config
    name = config.tracker if training.processes.chief else ""
    # A tracker keeps the first value of a flag.
    flags = {name: getattr(config, name) for name in config.run_fields()}
    path = training.directory.path
    with tracking.tracked(name, path, flags) as tracker:
        yield dataclasses.replace(training, tracker=tracker)


def load_images(
    config: TrainConfig, image_size: int = 0, form: PixelFormat | None = None
) -> ImageData:
    """Loads the data set that a config names.

    Args:
        config: The flags of the run.
        image_size: The side of the encoder's images, in pixels, if
            --image_size is 0; 0 derives it from the images.
        form: The channels and the range of values of a run that has begun;
            None takes those of the flags.
    """
    return data.load(
        config.dataset,
        config.data_dir or None,
        image_size=config.image_size or image_size,
        label_key=config.label_key,
        image_key=config.image_key,
        split_key=config.split_key,
        train_split=config.train_split,
        test_split=config.test_split,
        max_train_examples=config.max_train_examples,
        max_test_examples=config.max_test_examples,
        seed=config.seed,
        memory_limit=int(config.memory_gib * 2**30),
        channels=config.channels,
        pixel_range=config.pixel_range,
        form=form,
    )


def build_model(
    config: TrainConfig,
    images: ImageData,
    encoder: dict[str, Any],
    targets: np.ndarray | None = None,
) -> Pretext:
    """Makes the compiled model of a run, with fresh weights.

    Args:
        config: The flags of the run.
        images: The data set.
        encoder: The arguments of `encoders.build`.
        targets: What a teacher says, see `building.build`.
    """
    config = config.resolved
    view_size = config.view_size or encoder["image_size"]
    augmenter = None
    if config.augment_on_device:
        augmenter = RandomView(view_config(config, view_size))
    built = encoders.build(**encoder)
    if config.rewhiten:  # What cannot be at the end is said at the start.
        length = heads.features_of(built).shape[-1]
        whitening.check_dim(encoder["embedding_dim"], length)
    if config.sync_batch_norm:
        encoders.synchronise_batch_norm(built)
    freezing.freeze(
        built, config.train, batch_norm=bool(config.freeze_batch_norm)
    )
    model = building.build(config, images.train, built, augmenter, targets)
    placement.compile_parts(model, config)
    model.view_encoder = encoders.for_views(built, view_size)
    rate = RoundSchedule(
        config.learning_rate,
        config.learning_rate_schedule,
        steps_per_epoch(images.train, config.batch_size),
        rounds=config.rounds,
        epochs_per_round=config.epochs_per_round,
        initial_epochs=config.first_round_epochs,
        warmup_epochs=config.warmup_epochs,
    )
    model.compile(
        CoupledSGD(
            rate,
            weight_decay=config.weight_decay,
            rate_factors=rate_factors(model, config),
        )
    )
    model.optimizer.build(model.trainable_variables)
    return model


def rate_factors(model: Pretext, config: TrainConfig) -> list[float] | None:
    """Returns the share of the learning rate of each variable that learns."""
    factor = config.trunk_learning_rate / config.learning_rate
    if factor == 1:
        return None
    trunk = {id(v) for v in freezing.trunk_variables(model.encoder)}
    return [
        factor if id(v) in trunk else 1.0 for v in model.trainable_variables
    ]


def begin(training: Training, start: Start) -> None:
    """Sets the weights, fills the memory bank and evaluates the baselines.

    A resumed run has all of these in its checkpoint.
    """
    model, config = training.model, training.config
    if start.load:
        start.load(model.encoder)
    elif config.has_bank and config.bank_initialiser == "encoder":
        model.fill_bank(training.clean_views())
    # Streamed images have no baselines, as each would take one more pass over
    # the disk.
    held = training.images.train.held
    if config.baselines and held and training.knn.possible:
        results.add_baseline(training, "raw pixels", training.knn.raw_pixels())
        if not start.load:
            results.add_baseline(
                training, "untrained encoder", training.knn.clean(model)
            )
    if start.load:
        start_encoder.begin(training)


def keep_start(training: Training) -> None:
    """Writes the checkpoint of a run without epochs, which is all it has."""
    if training.processes.chief:
        training.directory.checkpoints.save(
            0, state(training.model), training.metadata
        )
