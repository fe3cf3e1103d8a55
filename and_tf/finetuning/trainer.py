"""Runs a fine-tuning from its config to its result."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
from typing import Any

import keras
import numpy as np

from and_tf import encoders
from and_tf.augmentation import ViewConfig
from and_tf.data.pipeline import check_parts, steps_per_epoch, train_batches
from and_tf.data.step_batches import HostBatches
from and_tf.distribution import strategy
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation import softmax_regression
from and_tf.evaluation.features import Features
from and_tf.evaluation.linear_classifier import standardisation
from and_tf.finetuning import labelling, results
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
from and_tf.finetuning.model import FineTuner, compiled, trunk_of
from and_tf.training import epochs
from and_tf.training.callbacks.checkpointing import Recorder, state
from and_tf.training.callbacks.finite_loss import FiniteLoss
from and_tf.training.callbacks.progress import Progress
from and_tf.training.callbacks.speed import Speed
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.run import Run
from and_tf.utils import archives, atomic_files
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

HEAD_LEARNING_RATE = 3.0  # Of the linear protocol, on standardised features.
_HEAD = {"kernel": ("f", 2), "bias": ("f", 1), "mark": ("u", 1)}


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
            "Received a TF_CONFIG of several: few labels do not keep several "
            "machines busy. Unset TF_CONFIG, or give --strategy=mirrored."
        )
    directory = FinetuneDirectory(config.output_directory)
    # Load and check the run first: the output directory may lie inside it, and
    # must not be made if there is no such run.
    keras.config.set_dtype_policy(config.precision)
    source = Run(
        pathlib.Path(config.run_dir),
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
        if result and (result[results.SCRATCH] or not config.compare):
            results.show(directory, result)
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
    results.print_start(config, source, labelled, processes)
    prepared = functools.partial(
        prepare, config, source=source, labelled=labelled, processes=processes
    )
    pretrained = fingerprint(trunk)
    # Built before anything is drawn, so that it depends on the seed alone.
    keras.utils.set_random_seed(config.seed)
    with processes.strategy.scope():
        untrained = keras.models.clone_model(trunk)

    begun = trunk.get_weights()
    head = linear_head(config, directory, source, labelled, trunk, pretrained)
    tuned = prepared(directory, trunk, pretrained=pretrained, head=head)
    if not tuned.metadata["history"]:
        results.print_head(tuned, head)
    recorders = {results.TUNED: take_best(tuned, fit(tuned))}
    trained = {results.TUNED: tuned}
    if config.compare:
        print("from scratch, with the same labels", flush=True)
        scratch = prepared(directory.scratch, untrained, pretrained=pretrained)
        recorders[results.SCRATCH] = take_best(scratch, fit(scratch))
        trained[results.SCRATCH] = scratch
    return results.finish(trained, recorders, (begun, head))


def prepare(
    config: FinetuneConfig,
    directory: FinetuneDirectory,
    trunk: keras.Model,
    *,
    source: Run,
    labelled: Labelled,
    processes: ProcessGroup,
    pretrained: str,
    head: tuple[np.ndarray, np.ndarray] | None = None,
) -> Finetuning:
    """Builds the model of a training, or restores it from its checkpoint.

    Args:
        config: The config of the fine-tuning.
        directory: The directory that this training writes to.
        trunk: The network, whose weights it begins with.
        source: The run that is fine-tuned.
        labelled: The labelled images.
        processes: The process group.
        pretrained: The `fingerprint` of the run's encoder.
        head: The weights that the classifier begins with; None trains from
            scratch.
    """
    train = labelled.learn
    batch = min(config.batch_size, train.size)
    check_parts(train, batch, processes.strategy.num_replicas_in_sync)
    with processes.strategy.scope():
        model = FineTuner(
            trunk,
            train.labels,
            len(labelled.class_names),
            freeze_statistics=config.freeze_statistics and head is not None,
            seed=config.seed,
        )
        model.view_encoder = encoders.for_views(trunk, source.view_size)
        rates = config.learning_rate, config.head_learning_rate
        if head is None:
            rates = (config.scratch_learning_rate,) * 2
        else:
            model.classifier.set_weights(head)
        compiled(
            model,
            learning_rate=rates[0],
            head_learning_rate=rates[1],
            weight_decay=config.weight_decay,
            steps=config.epochs * steps_per_epoch(train, batch),
        )
    checkpoint = directory.checkpoints.latest()
    metadata: dict[str, Any] = {
        "kind": "finetuning",
        "encoder": source.built_from,
        "num_examples": train.size,
        "data": labelled.digest,
        "encoder_sha256": pretrained,
        "history": [],
        "seconds": 0.0,
    }
    if checkpoint:
        check_same(checkpoint, metadata)
        metadata = checkpoint.metadata
        for group, variables in state(model).items():
            # Metrics are sums over an epoch, so they only matter within one.
            if group != "metrics" or checkpoint.step:
                checkpoint.restore(group, variables)
    board = TensorBoardWriter(
        directory.tensorboard,
        dataclasses.asdict(config),
        metadata["history"],
        metadata.get("step", 0),
    )
    return Finetuning(
        config, directory, source, labelled, model, board, metadata, processes
    )


def fit(training: Finetuning) -> Recorder:
    """Trains the epochs that a training lacks, and returns the recorder."""
    config, train = training.config, training.labelled.learn
    done = training.metadata["history"]
    last = len(done) if is_over(done, config.patience) else config.epochs
    steps = steps_per_epoch(train, training.batch_size)
    view = ViewConfig(
        image_size=training.source.view_size,
        crop_area=(config.crop_area, 1.0),
        brightness=config.colour_jitter,
        contrast=config.colour_jitter,
        saturation=config.colour_jitter,
        hue=min(config.colour_jitter, 0.5),
        greyscale=0.0,
        flip=config.flip,
    )

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


def linear_head(
    config: FinetuneConfig,
    directory: FinetuneDirectory,
    source: Run,
    labelled: Labelled,
    trunk: keras.Model,
    pretrained: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Trains a linear head on frozen features, or reads the one kept.

    Args:
        config: The config of the fine-tuning.
        directory: The directory that keeps the head.
        source: The run that is fine-tuned.
        labelled: The labelled images.
        trunk: The network, as the run has trained it.
        pretrained: The `fingerprint` of its weights.

    Returns:
        (its weights, float32 [F, C]; its biases, float32 [C]).

    Raises:
        InputError: If the file of a fine-tuning that is resumed is damaged.
    """
    text = f"{labelled.digest} {pretrained}".encode()
    mark = np.frombuffer(hashlib.sha256(text).digest(), np.uint8)
    if directory.head.is_file():
        try:
            kernel, bias, of = archives.read(directory.head, _HEAD)
        except archives.DAMAGE as error:
            raise InputError(
                f"Expected the linear head in {directory.head}. Received a "
                f"file that cannot be read ({archives.why(error)}). Begin "
                "anew with another --output_dir."
            ) from error
        if np.array_equal(of, mark):
            return kernel, bias
    learn = labelled.learn
    limit = int(config.memory_gib * 2**30)
    features = Features(trunk, learn, source.image_size, limit)
    standardise = standardisation(features)
    with Counted("linear head", config.head_epochs * learn.size) as progress:
        fitted = softmax_regression.fit(
            features, learn.labels, len(labelled.class_names), standardise,
            epochs=config.head_epochs, learning_rate=HEAD_LEARNING_RATE,
            seed=config.seed, on_batch=progress.advance,
        )  # fmt: skip
    # The head of the network sees features that are not standardised.
    kernel = fitted.weights / standardise.scale[:, None]
    bias = fitted.bias - standardise.mean @ kernel
    atomic_files.write(
        directory.head,
        lambda file: np.savez(file, kernel=kernel, bias=bias, mark=mark),
    )
    return kernel, bias


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


def fingerprint(model: keras.Model) -> str:
    """Computes the SHA-256 of a model's weights, in hexadecimal."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
