"""Runs a fine-tuning from its config to its result."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import keras

from and_tf import encoders, storage
from and_tf.data.pipeline import check_parts, steps_per_epoch, train_batches
from and_tf.data.step_batches import HostBatches
from and_tf.distribution import strategy
from and_tf.distribution.process_group import ProcessGroup
from and_tf.encoders import weights
from and_tf.finetuning import console, labelling, linear_head, results
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.experiment import (
    EndWithoutGain,
    FinetuneDirectory,
    Finetuning,
    HeldOut,
    best_epoch,
    is_over,
)
from and_tf.finetuning.labelling import Labelled
from and_tf.finetuning.linear_head import Head
from and_tf.finetuning.model import FineTuner, compiled, trunk_of
from and_tf.finetuning.scoring import SCRATCH, TUNED
from and_tf.training import epochs
from and_tf.training.callbacks.checkpointing import Recorder, state
from and_tf.training.callbacks.finite_loss import FiniteLoss
from and_tf.training.callbacks.progress import Progress
from and_tf.training.callbacks.speed import Speed
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.experiment import views
from and_tf.training.run import Run
from and_tf.utils.errors import InputError


def finetune(config: FinetuneConfig) -> dict[str, Any]:
    """Fine-tunes the encoder of a run, or resumes a fine-tuning.

    It writes checkpoints, metrics, pictures, the classifier and results to
    the directory `config.output_directory`. If the fine-tuning there is
    already finished, it only prints the results.

    Args:
        config: The config of the fine-tuning.

    Returns:
        The content of result.json.

    Raises:
        InputError: If the config, the run, its images or their labels cannot
            be used. The message says what to change.
    """
    processes = ProcessGroup(
        strategy.build(config.strategy, config.communication)
    )
    if processes.several:
        raise InputError(
            "Expected one process, which uses all GPUs of its machine. "
            "Received several, by TF_CONFIG or by srun: few labels do not keep "
            "several machines busy. Start one, or give --strategy=mirrored."
        )
    directory = FinetuneDirectory(config.output_directory)
    # Load and check the run first: the output directory may lie inside it, and
    # must not be made if there is no such run.
    keras.config.set_dtype_policy(config.precision)
    source = Run(
        storage.place(config.run_dir),
        config.checkpoint,
        config.data_dir,
        config.memory_gib,
    )
    with processes.strategy.scope():
        trunk = trunk_of(source.encoder)
    labelled = labelling.choose(source.images, config)
    with directory.held():
        directory.claim(config)
        result = directory.read_result()
        if result and (result[SCRATCH] or not config.compare):
            console.show(directory, result)
            return result
        if result:
            # A fine-tuning that continues is no longer finished.
            directory.result.unlink()
        return learn(config, directory, source, labelled, trunk, processes)


def learn(
    config: FinetuneConfig,
    directory: FinetuneDirectory,
    source: Run,
    labelled: Labelled,
    trunk: keras.Model,
    processes: ProcessGroup,
) -> dict[str, Any]:
    """Trains head, encoder and comparison, and returns the results."""
    console.print_start(config, source, labelled, processes)
    prepared = functools.partial(
        prepare, config, source=source, labelled=labelled, processes=processes
    )
    digest = weights.digest(trunk)
    # Built before anything is drawn, so that it depends on the seed alone.
    keras.utils.set_random_seed(config.seed)
    with processes.strategy.scope():
        untrained = keras.models.clone_model(trunk)

    begun = trunk.get_weights()
    head = linear_head.train(config, directory, source, labelled, trunk, digest)
    tuned = prepared(directory, trunk, digest=digest, head=head)
    if not tuned.metadata["history"]:
        console.print_head(tuned, head)
    recorders = {TUNED: take_best(tuned, fit(tuned))}
    trained = {TUNED: tuned}
    if config.compare:
        print("from scratch, with the same labels", flush=True)
        scratch = prepared(directory.scratch, untrained, digest=digest)
        recorders[SCRATCH] = take_best(scratch, fit(scratch))
        trained[SCRATCH] = scratch
    return results.finish(trained, recorders, (begun, head))


def prepare(
    config: FinetuneConfig,
    directory: FinetuneDirectory,
    trunk: keras.Model,
    *,
    source: Run,
    labelled: Labelled,
    processes: ProcessGroup,
    digest: str,
    head: Head | None = None,
) -> Finetuning:
    """Builds the model of a training, or restores it from its checkpoint.

    Args:
        config: The config of the fine-tuning.
        directory: The directory that this training writes to.
        trunk: The network, whose weights it begins with.
        source: The run that is fine-tuned.
        labelled: The labelled images.
        processes: The process group.
        digest: The SHA-256 of the weights of the run's encoder.
        head: The weights that the classifier begins with; None trains from
            scratch.
    """
    train = labelled.learn
    batch = min(config.batch_size, train.size)
    check_parts(train, batch, processes.strategy.num_replicas_in_sync)
    with processes.strategy.scope():
        model = build_model(config, trunk, labelled, head)
        model.view_encoder = encoders.for_views(trunk, source.view_size)
    metadata: dict[str, Any] = {
        "kind": "finetuning",
        "encoder": source.built_from,
        "num_examples": train.size,
        "data": labelled.digest,
        "encoder_sha256": digest,
        "history": [],
        "seconds": 0.0,
    }
    metadata = restored(directory, model, metadata)
    board = TensorBoardWriter(
        directory.tensorboard,
        dataclasses.asdict(config),
        metadata["history"],
        metadata.get("step", 0),
    )
    return Finetuning(
        config, directory, source, labelled, model, board, metadata, processes
    )


def build_model(
    config: FinetuneConfig,
    trunk: keras.Model,
    labelled: Labelled,
    head: Head | None,
) -> FineTuner:
    """Builds and compiles the model of a training; see `prepare`."""
    train = labelled.learn
    model = FineTuner(
        trunk,
        train.labels,
        len(labelled.class_names),
        freeze_statistics=config.freeze_statistics and head is not None,
        seed=config.seed,
    )
    rates = config.learning_rate, config.head_learning_rate
    if head is None:
        rates = (config.scratch_learning_rate,) * 2
    else:
        model.classifier.set_weights(head)
    batch = min(config.batch_size, train.size)
    return compiled(
        model,
        learning_rate=rates[0],
        head_learning_rate=rates[1],
        weight_decay=config.weight_decay,
        steps=config.epochs * steps_per_epoch(train, batch),
    )


def restored(
    directory: FinetuneDirectory, model: FineTuner, begun: dict[str, Any]
) -> dict[str, Any]:
    """Restores a model from the newest checkpoint, if there is one.

    Args:
        directory: The directory of the training.
        model: The model, which is changed in place.
        begun: The metadata that a new training begins with.

    Returns:
        The metadata of the checkpoint; `begun` without one.

    Raises:
        InputError: If the labels or the encoder have changed since.
    """
    checkpoint = directory.checkpoints.latest()
    if checkpoint is None:
        return begun
    check_same(checkpoint, begun)
    for group, variables in state(model).items():
        # Metrics are sums over an epoch, so they only matter within one.
        if group != "metrics" or checkpoint.step:
            checkpoint.restore(group, variables)
    return checkpoint.metadata


def fit(training: Finetuning) -> Recorder:
    """Trains the epochs that a training lacks, and returns the recorder."""
    config, train = training.config, training.labelled.learn
    done = training.metadata["history"]
    last = len(done) if is_over(done, config.patience) else config.epochs
    steps = steps_per_epoch(train, training.batch_size)
    view = views(config, training.source.view_size)

    def batches(**span: int) -> HostBatches:
        dataset = train_batches(
            train, view, batch_size=training.batch_size, **span
        )
        return HostBatches(dataset, training.processes)

    def callbacks(
        recorder: Recorder, first_epoch: int, first_step: int
    ) -> list[keras.callbacks.Callback]:
        # In the order of `training.train_callbacks`.
        return [
            Speed(train.size, steps, first_step),
            FiniteLoss(
                training.directory.checkpoints, "Try a lower --learning_rate"
            ),
            HeldOut(training),
            recorder,
            EndWithoutGain(recorder.history, config.patience),
            training.board,
            Progress(last, steps, 0, first_epoch, first_step=first_step),
        ]

    return epochs.fit(
        training,
        epochs=last,
        steps=steps,
        batches=batches,
        callbacks=callbacks,
        best=best_epoch,
    )


def take_best(training: Finetuning, recorder: Recorder) -> Recorder:
    """Restores the best epoch, and returns the recorder.

    Raises:
        InputError: If the checkpoint of that epoch is lost.
    """
    best = best_epoch(recorder.history)
    if best < len(recorder.history):
        kept = training.directory.checkpoints.best(best)
        kept.restore("encoder", training.model.encoder.variables)
        kept.restore("method", training.model.method_variables)
    return recorder


def check_same(checkpoint: Checkpoint, begun: dict[str, Any]) -> None:
    """Checks that a fine-tuning resumes with the same labels and encoder.

    Args:
        checkpoint: Its checkpoint.
        begun: The metadata that it would begin with now.

    Raises:
        InputError: If the labels or the encoder have changed since.
    """
    for key, what in (("data", "labels"), ("encoder_sha256", "encoder")):
        if checkpoint.metadata.get(key) != begun[key]:
            raise InputError(
                f"Expected the {what} that the fine-tuning in "
                f"{checkpoint.path} began with. Received others. Restore "
                f"the {what}, or begin another fine-tuning with another "
                "--output_dir."
            )
