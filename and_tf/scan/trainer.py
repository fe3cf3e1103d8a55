"""Runs a clustering from its config to its result."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

import keras
import numpy as np

from and_tf.data.split import ImageData, Split
from and_tf.distribution import strategy
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation import kmeans
from and_tf.evaluation.cluster_metrics import classes_that_occur
from and_tf.evaluation.embeddings import embed
from and_tf.scan import (
    console,
    frozen_features,
    mining,
    pair_batches,
    pretrained,
    results,
    stages,
    stopping,
    unsupervised_metrics,
)
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.scan.experiment import ClusteringRun
from and_tf.scan.frozen_features import FrozenFeatures
from and_tf.scan.mining import Mined
from and_tf.scan.scan_model import SCAN
from and_tf.scan.temi_model import TEMI
from and_tf.training import multi_process
from and_tf.training.callbacks.checkpointing import state
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.restore import fingerprint
from and_tf.training.run import Run
from and_tf.utils import schemas
from and_tf.utils.errors import InputError


def cluster(config: ClusterConfig) -> dict[str, Any]:
    """Clusters the images of a run, or resumes a clustering.

    It writes checkpoints, metrics, pictures and results to the directory
    `config.output_directory`. If the clustering there is already finished, it
    only prints the results.

    Args:
        config: The config of the clustering.

    Returns:
        The content of result.json.

    Raises:
        InputError: If the config, the run or the data cannot be used. The
            message says what to change.
    """
    config = config.resolved
    processes = ProcessGroup(
        strategy.build(config.strategy, config.communication)
    )
    directory = ClusterDirectory(config.output_directory)
    with processes.joined():
        # Load and check the run first: the output directory may lie inside
        # it, and must not be made if there is no such run.
        keras.config.set_dtype_policy(config.precision)
        source = pretrained.load(config, processes)
        check(config, source, processes)
        with multi_process.held(directory, processes):
            checkpoint, result = multi_process.claim(
                directory, config, processes
            )
            stages.check_flags(config, checkpoint)
            if result and stages.is_finished(config, checkpoint):
                console.show(directory, result)
                return result
            if result and processes.chief:
                # A clustering that continues is no longer finished.
                directory.result.unlink()
            run = prepare(config, directory, source, checkpoint, processes)
            result = results.finish(*stages.learn(run, checkpoint))
            if processes.chief:
                directory.features.unlink(missing_ok=True)
            processes.wait()  # Waits until the chief has written everything.
    return result


def check(config: ClusterConfig, source: Run, processes: ProcessGroup) -> None:
    """Checks that the run can be clustered, before anything is written.

    Raises:
        InputError: If clusters, neighbours, batches or labels do not fit the
            images.
    """
    train = source.images.train
    clusters = choose_clusters(config, source.images)
    if clusters > train.size:
        raise InputError(
            f"Expected --clusters from 2 to {train.size}, the training images "
            f"there are. Received: {clusters}."
        )
    replicas = processes.strategy.num_replicas_in_sync
    pair_batches.check(train, config.batch_size, replicas)
    pair_batches.check(
        train,
        stages.batch_size(config, train),
        replicas,
        "--self_labelling_batch_size",
    )
    if config.uses_labels and not train.has_labels:
        raise InputError(
            "Expected labels for --mining=oracle, which keeps only neighbours "
            "with the label of the image itself. Received none in "
            f"{train.name}. Leave the flag out."
        )
    multi_process.check_images(train.size, fingerprint(train), processes)
    if not config.neighbours < train.size:
        raise InputError(
            f"Expected --neighbours from 1 to {train.size - 1}, one less than "
            f"the training images. Received: {config.neighbours}."
        )


def choose_clusters(config: ClusterConfig, images: ImageData) -> int:
    """Returns the number of clusters C, by default that of the classes.

    Raises:
        InputError: If C is neither given nor known from labels.
    """
    clusters = config.clusters or classes_that_occur(images)
    if clusters < 2:
        raise InputError(
            f"Expected --clusters, as the number of classes in {images.name} "
            "is not known. Received none. Give the number of kinds that you "
            "look for, or a few times as many."
        )
    return clusters


def prepare(
    config: ClusterConfig,
    directory: ClusterDirectory,
    source: Run,
    checkpoint: Checkpoint | None,
    processes: ProcessGroup,
) -> ClusteringRun:
    """Mines the neighbours and builds the model, or restores both.

    Args:
        config: The config of the clustering.
        directory: The directory that it writes to.
        source: The run that it starts from.
        checkpoint: The checkpoint to restore; None starts a new clustering.
        processes: The processes that train the model.
    """
    clusters = choose_clusters(config, source.images)
    console.print_start(config, source, clusters, processes)
    if checkpoint:
        metadata = checkpoint.metadata
        check_source(metadata, source, directory)
        mined = read_mined(directory, source, processes)
        features = None
        if config.embeds_once:
            features = read_features(config, directory, source, processes)
    else:
        mined, features, metadata = begin(
            config, directory, source, clusters, processes
        )
    keras.utils.set_random_seed(config.seed)
    with processes.strategy.scope():
        model = build_model(config, source, clusters)
        if features is not None:
            model.set_moments(features.moments())
    if checkpoint and metadata.get("stage") != stopping.STAGE:
        for group, variables in state(model).items():
            # Metrics are sums over an epoch, so they only matter within one.
            if group != "metrics" or checkpoint.step:
                checkpoint.restore(group, variables)
    board = None
    if processes.chief:
        board = TensorBoardWriter(
            directory.tensorboard,
            dataclasses.asdict(config),
            metadata["history"],
            metadata.get("step", 0),
        )
    return ClusteringRun(
        config,
        directory,
        source,
        mined,
        model,
        board,
        metadata,
        processes,
        features,
    )


def build_model(config: ClusterConfig, source: Run, clusters: int) -> SCAN:
    """Builds and compiles the model, with new weights in its heads."""
    kind = (
        functools.partial(TEMI, beta=config.beta)
        if config.loss == "temi"
        else SCAN
    )
    model = kind(
        source.encoder,
        clusters,
        heads=config.heads,
        entropy_weight=config.entropy_weight,
        features=config.features,
        freeze=config.freeze,
        view_size=source.view_size,
        standardise=config.embeds_once,
    )
    model.compile(stages.optimiser(config, config.learning_rate))
    model.optimizer.build(model.trainable_variables)
    return model


def begin(
    config: ClusterConfig,
    directory: ClusterDirectory,
    source: Run,
    clusters: int,
    processes: ProcessGroup,
) -> tuple[Mined, FrozenFeatures | None, dict[str, Any]]:
    """Starts a new clustering: embeds, mines and runs the baseline.

    Returns:
        (the mined neighbours, the features if they are computed once, the
        metadata for its checkpoints).
    """
    start = time.monotonic()
    train = source.images.train
    features = None
    if config.embeds_once:
        features, rows, asked = frozen_features.compute(
            source, config.features, processes
        )
    else:
        rows, asked = embed_splits(source, processes)
    mined = mining.mine(rows, asked, config.neighbours, processes)
    agreement = {
        "train": mining.agreement(mined.train, train.labels),
        "evaluation": mining.agreement(mined.evaluation, source.queries.labels),
    }
    console.print_mined(config.neighbours, agreement)
    if config.uses_labels:
        # The evaluation neighbours stay as mined, so that the choice of the
        # head needs no labels.
        kept = mining.without_false(mined.train, train.labels)
        mined = dataclasses.replace(mined, train=kept)
        console.print_oracle(kept)
    if processes.chief:
        mining.write(directory.mined, mined)
        sample = unsupervised_metrics.draw_sample(
            rows if asked is None else asked
        )
        unsupervised_metrics.write(directory.sample, sample)
        if features is not None:
            frozen_features.write(directory.features, features)
    compared = kmeans.baseline(
        source.images, rows, asked, clusters, config.kmeans_seeds
    )
    console.print_baseline(compared)
    metadata = {
        "kind": schemas.SCAN,
        "encoder": source.built_from,
        "features": config.features,
        "clusters": clusters,
        "heads": config.heads,
        "standardise": config.embeds_once,
        "pretext": pretrained.identity(source),
        "num_examples": train.size,
        "agreement": agreement,
        "kmeans": compared,
        "stage": "clustering",
        "history": [],
        "seconds": time.monotonic() - start,
    }
    return mined, features, metadata


def embed_splits(
    source: Run, processes: ProcessGroup
) -> tuple[np.ndarray, np.ndarray | None]:
    """Embeds the training and, if there are any, the test images."""

    def embedded(split: Split) -> np.ndarray:
        return console.with_progress(
            f"embed {split.name}",
            split.size,
            functools.partial(embed, source.encoder, split, source.image_size),
        )

    test = source.images.test
    with processes.strategy.scope():
        rows = embedded(source.images.train)
        return rows, embedded(test) if test else None


def check_source(
    metadata: dict[str, Any], source: Run, directory: ClusterDirectory
) -> None:
    """Checks that a clustering resumes with the encoder it began with.

    Raises:
        InputError: If the encoder of the run has changed since.
    """
    before = metadata["pretext"]["encoder_sha256"]
    now = pretrained.identity(source)
    if before != now["encoder_sha256"]:
        raise InputError(
            f"The clustering in {directory.path} began with the encoder of "
            f"epoch {metadata['pretext']['epochs']}, but the run has been "
            f"trained further, to epoch {now['epochs']}. Begin another "
            "clustering with another --output_dir."
        )


def read_mined(
    directory: ClusterDirectory, source: Run, processes: ProcessGroup
) -> Mined:
    """Reads the mined neighbours on the chief and sends them to all.

    Raises:
        InputError: If the file is missing, damaged or of other images.
    """
    sizes = source.images.train.size, source.queries.size
    mined = Mined(*(np.zeros((0, 0), np.int32),) * 2)
    if processes.chief:
        mined = mining.read(directory.mined, *sizes)
    if processes.size == 1:
        return mined
    arrays = []
    for array, size in zip(dataclasses.astuple(mined), sizes, strict=True):
        flat = processes.from_chief(array.reshape(-1).astype(np.int32))
        arrays.append(flat.reshape(size, -1))
    return Mined(*arrays)


def read_features(
    config: ClusterConfig,
    directory: ClusterDirectory,
    source: Run,
    processes: ProcessGroup,
) -> FrozenFeatures:
    """Reads the features of a clustering, or computes them again.

    Several processes always compute them again, together: that is quicker than
    sending them, and all have the same.
    """
    found = None
    if processes.size == 1:
        sizes = source.images.train.size, source.queries.size
        found = frozen_features.read(directory.features, *sizes)
    if found is None:
        found, _, _ = frozen_features.compute(
            source, config.features, processes
        )
    return found
