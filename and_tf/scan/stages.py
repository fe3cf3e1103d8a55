"""Runs the two steps of a clustering, one after the other."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import keras

from and_tf.augmentation import Recipe
from and_tf.data.preprocessing import normalisation
from and_tf.data.split import Split
from and_tf.evaluation import cluster_metrics
from and_tf.method.optimizers import CoupledAdam, CoupledSGD
from and_tf.scan import pair_batches, stopping
from and_tf.scan.config import ClusterConfig
from and_tf.scan.experiment import ClusteringRun
from and_tf.scan.self_label_model import SelfLabeller
from and_tf.scan.train_callbacks import Stage, fit
from and_tf.scan.validation import Assessment, describe, lowest_loss
from and_tf.scan.view_recipes import recipe
from and_tf.training import multi_process
from and_tf.training.callbacks.checkpointing import Recorder, state
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.experiment import view_config
from and_tf.utils.averages import percent
from and_tf.utils.errors import InputError

UNSURE = (
    "No prediction is more confident than --threshold={threshold:g} (the "
    "highest: {surest:.3f}), so self-labelling has no labels to learn from. "
    "Lower --threshold and continue with --resume."
)
# Flags of self-labelling that may change when it is resumed.
FREE = ("self_labelling_epochs", "patience")


def is_finished(config: ClusterConfig, checkpoint: Checkpoint | None) -> bool:
    """Returns whether all steps of the config are done."""
    if checkpoint is None or checkpoint.step:
        return False
    if _stage(checkpoint.metadata) == stopping.STAGE:
        return checkpoint.epochs >= _last(
            config, checkpoint.metadata["history"]
        )
    return checkpoint.epochs == config.epochs and (
        not config.self_labelling_epochs
    )


def learn(
    run: ClusteringRun, checkpoint: Checkpoint | None
) -> tuple[ClusteringRun, Recorder]:
    """Trains the clustering step and then self-labelling.

    Args:
        run: A clustering, new or restored from its checkpoint.
        checkpoint: The checkpoint to resume from; None for a new clustering.

    Returns:
        The run with the trained model, and the recorder of its epochs.
    """
    if _stage(run.metadata) != stopping.STAGE:
        recorder = fit(run, clustering_stage(run))
        take_best(run, recorder.history)
        found = run.assess()
        run = clustered(run, recorder, found)
        if not run.config.self_labelling_epochs or not _confident(run, found):
            return run, recorder
        run = dataclasses.replace(
            run,
            model=build_self_labeller(run),
            metadata=run.metadata
            | {
                "stage": stopping.STAGE,
                "heads": 1,
                "self_labelling": _flags(run.config),
            },
        )
    else:
        run = dataclasses.replace(run, model=build_self_labeller(run))
        assert checkpoint is not None  # It said that the stage had begun.
        for group, variables in state(run.model).items():
            if group != "metrics" or checkpoint.step:
                checkpoint.restore(group, variables)
    recorder = fit(run, self_labelling_stage(run))
    run.model.take_average()
    return run, recorder


def clustering_stage(run: ClusteringRun) -> Stage:
    """Makes the stage that learns from images and their neighbours."""
    neighbours = pair_batches.with_own(run.mined.train)
    if run.features is not None:
        batches = functools.partial(
            pair_batches.feature_batches, run.features.train, neighbours
        )
    else:
        batches = functools.partial(
            pair_batches.pair_batches,
            run.source.images.train,
            neighbours,
            view(run, run.config.augmentation),
        )
    size = clustering_batch_size(run.config, run.source.images.train)
    return Stage(run.config.epochs, size, batches)


def self_labelling_stage(run: ClusteringRun) -> Stage:
    """Makes the stage that learns strong views from confident predictions."""
    config, train = run.config, run.source.images.train
    weak, strong = (view(run, name) for name in (config.label_view, "strong"))

    def figures(found: Assessment) -> dict[str, Any]:
        right = stopping.accuracy(
            found, config.threshold, run.source.queries, run.classes
        )
        known = {} if right is None else {"confident_acc": right}
        head = run.metadata["clustered"]["head"]
        return {"stage": stopping.STAGE, "head": head, **known}

    return Stage(
        _last(config, run.metadata["history"]),
        batch_size(config, train),
        functools.partial(
            pair_batches.weak_and_strong_batches, train, weak, strong
        ),
        remedy="Try a lower --self_labelling_learning_rate",
        figures=figures,
        patience=config.patience,
    )


def view(run: ClusteringRun, name: str) -> Recipe:
    """Returns the named recipe for a run; see `view_recipes.recipe`."""
    source = run.source
    trained_on = view_config(source.config, source.view_size)
    return recipe(
        name,
        trained_on,
        source.image_size,
        source.built_from.get(
            "mean", normalisation("", source.form.channels)[0]
        ),
    )


def take_best(run: ClusteringRun, history: list[dict]) -> None:
    """Restores the epoch with the lowest loss, chosen without labels.

    Raises:
        InputError: If the checkpoint of that epoch is lost.
    """
    epochs = lowest_loss(history)
    if epochs == len(history):
        return
    kept = (
        run.directory.checkpoints.best(epochs) if run.processes.chief else None
    )
    kept = multi_process.shared(kept, run.processes)
    assert kept is not None  # As the chief has one.
    kept.restore("encoder", run.model.encoder.variables)
    kept.restore("method", run.model.method_variables)


def clustered(
    run: ClusteringRun, recorder: Recorder, found: Assessment
) -> ClusteringRun:
    """Returns the run with the results of the first step in its metadata."""
    figures = None
    if run.accuracy(found) is not None:
        figures = cluster_metrics.score(
            found.assigned,
            run.source.queries.labels,
            len(found.sizes),
            run.classes,
            found.probabilities,
        ).figures()
    metadata = run.metadata | {
        "history": recorder.history,
        "seconds": recorder.seconds,
        "step": 0,
        "clustered": {
            "epochs": run.config.epochs,
            "epoch": lowest_loss(recorder.history),
            "head": found.head,
            "head_losses": [float(loss) for loss in found.losses],
            "clusters_used": found.used,
            "collapsed": found.collapsed,
            "figures": figures,
        },
    }
    return dataclasses.replace(run, metadata=metadata)


def build_self_labeller(run: ClusteringRun) -> SelfLabeller:
    """Builds and compiles the model of the self-labelling step."""
    config = run.config
    with run.processes.strategy.scope():
        model = SelfLabeller(
            run.model,
            run.metadata["clustered"]["head"],
            threshold=config.threshold,
            balanced=config.balance,
            decay=config.ema,
        )
        model.compile(optimiser(config, config.self_labelling_learning_rate))
        model.optimizer.build(model.trainable_variables)
    return model


def optimiser(
    config: ClusterConfig, learning_rate: float
) -> keras.optimizers.Optimizer:
    """Makes a new optimiser of the kind that --optimiser names."""
    if config.optimiser == "sgd":
        return CoupledSGD(
            learning_rate, nesterov=False, weight_decay=config.weight_decay
        )
    return CoupledAdam(learning_rate, weight_decay=config.weight_decay)


def clustering_batch_size(config: ClusterConfig, train: Split) -> int:
    """Returns the batch size of clustering.

    On features, whose default suits many images, it is at most all images.
    """
    if config.embeds_once:
        return min(config.batch_size, train.size)
    return config.batch_size


def batch_size(config: ClusterConfig, train: Split) -> int:
    """Returns the batch size of self-labelling, at most all images."""
    return min(config.self_labelling_batch_size, train.size)


def check_flags(config: ClusterConfig, checkpoint: Checkpoint | None) -> None:
    """Checks that self-labelling resumes with the flags it began with.

    Raises:
        InputError: If a flag of self-labelling has changed.
    """
    if checkpoint is None or _stage(checkpoint.metadata) != stopping.STAGE:
        return
    before, now = checkpoint.metadata["self_labelling"], _flags(config)
    changed = [name for name in now if before[name] != now[name]]
    if changed:
        differences = ", ".join(
            f"{name} {before[name]!r} (now {now[name]!r})" for name in changed
        )
        raise InputError(
            f"Self-labelling in {config.output_directory} can be resumed only "
            f"with the flags that it began with. It has {differences}. Use "
            "these, or name another --output_dir."
        )


def _confident(run: ClusteringRun, found: Assessment) -> bool:
    """Prints how self-labelling begins and returns whether it can begin."""
    threshold = run.config.threshold
    share = stopping.confident(found, threshold).mean()
    if found.collapsed:
        print(f"before self-labelling, {describe(found)}", flush=True)
    if not share:
        surest = float(found.probabilities.max())
        print(UNSURE.format(threshold=threshold, surest=surest), flush=True)
        return False
    head = f" by head {found.head}" if run.config.heads > 1 else ""
    print(
        f"self-labelling{head}: {percent(share)} of "
        f"{run.source.queries.name} are above {threshold:g}",
        flush=True,
    )
    return True


def _flags(config: ClusterConfig) -> dict[str, Any]:
    names = (name for name in config.later_fields() if name not in FREE)
    return {name: getattr(config, name) for name in names}


def _last(config: ClusterConfig, history: list[dict]) -> int:
    """Returns the number of the last epoch, the current one if settled."""
    if stopping.settled(stopping.shares(history), config.patience):
        return len(history)
    return config.epochs + config.self_labelling_epochs


def _stage(metadata: dict[str, Any]) -> str:
    return metadata.get("stage", "clustering")
