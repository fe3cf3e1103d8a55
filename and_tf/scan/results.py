"""Writes the results of a clustering: result.json, tables and pictures."""

from __future__ import annotations

import datetime
import functools
from typing import Any

import numpy as np

from and_tf import figures
from and_tf.data.preprocessing import pictures
from and_tf.evaluation import cluster_metrics
from and_tf.scan import console, stopping, unsupervised_metrics
from and_tf.scan.experiment import ClusteringRun
from and_tf.scan.validation import Assessment
from and_tf.training import results as training_summary
from and_tf.training.callbacks.checkpointing import Recorder
from and_tf.training.run_directory import versions
from and_tf.utils.averages import percent

NAMES = {"acc": "ACC", "nmi": "NMI", "ari": "ARI", "acc_top5": "ACC top-5"}


def make_result(
    run: ClusteringRun,
    recorder: Recorder,
    found: Assessment,
    voters: np.ndarray | None,
) -> dict[str, Any]:
    """Collects the content of result.json.

    Args:
        run: The clustering.
        recorder: The recorder of its epochs.
        found: The assessment of the final model on the evaluation split.
        voters: int64 [N], the clusters of the training images, for matching
            many to one. None leaves out `acc_majority`.
    """
    config, metadata, images = run.config, run.metadata, run.source.images
    shown = cluster_metrics.prototypes(found.probabilities)
    rates = [row["images_per_second"] for row in recorder.history]
    return {
        "kind": metadata["kind"],
        "dataset": run.source.config.dataset,
        "pretext": metadata["pretext"],
        "pretrained": run.source.pretrained,
        "clusters": metadata["clusters"],
        "neighbours": config.neighbours,
        "neighbours_agreement": metadata["agreement"],
        "mining": config.mining,
        "loss": config.loss,
        **({"beta": config.beta} if config.loss == "temi" else {}),
        "uses_labels": config.uses_labels,
        "epochs": len(recorder.history),
        "features": config.features,
        "frozen": config.freeze,
        "augmentation": config.augmentation,
        "heads": config.heads,
        "head": found.head,
        "validation_loss": float(found.losses[found.head]),
        "head_losses": [float(loss) for loss in found.losses],
        **_held_against_labels(run, found, voters),
        "kmeans": metadata["kmeans"],
        "cluster_sizes": found.sizes.tolist(),
        "clusters_used": found.used,
        "without_labels": unsupervised_metrics.measures(
            found,
            run.mined.evaluation,
            unsupervised_metrics.read(
                run.directory.sample, len(found.assigned)
            ),
        ),
        "collapsed": found.collapsed,
        "prototypes": shown.tolist(),
        "protocol": _protocol(run),
        "num_examples": images.train.size,
        "backbone": run.source.config.encoder,
        "image_size": run.source.image_size,
        "machine": training_summary.machine(),
        "seed": config.seed,
        "seconds": round(recorder.seconds, 1),
        "train_images_per_second": round(float(np.median(rates)), 1),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(
            timespec="seconds"
        ),
        "versions": versions(),
        **_by_step(run, recorder),
    }


def _by_step(run: ClusteringRun, recorder: Recorder) -> dict[str, Any]:
    """Collects the results of clustering and of self-labelling.

    The other figures in result.json are those of the final model.
    """
    after = dict(run.metadata["clustered"])
    head, losses = after["head"], after["head_losses"]
    rows = [r for r in recorder.history if r.get("stage") == stopping.STAGE]
    last, config = rows[-1] if rows else {}, run.config
    settled = stopping.settled(stopping.shares(rows), config.patience)
    labelled = {
        "epochs": len(rows),
        "ended": "settled" if settled else "last epoch" if rows else "unsure",
        "confident": last.get("confident"),
        "confident_acc": last.get("confident_acc"),
        "skipped": last.get("skipped"),
        "threshold": config.threshold,
        "balance": config.balance,
        "ema": config.ema,
    }
    return {
        "head": head,
        "head_losses": losses,
        "after_clustering": after.pop("figures"),
        "clustering": after,
        "self_labelling": labelled if config.self_labelling_epochs else None,
    }


def _held_against_labels(
    run: ClusteringRun, found: Assessment, voters: np.ndarray | None
) -> dict[str, Any]:
    """Computes the figures that need labels; without labels all are None."""
    split = run.source.queries
    names = (*NAMES, "acc_majority", "matching", "class_names", "confusion")
    if run.accuracy(found) is None:
        return dict.fromkeys(names)
    clusters = len(found.sizes)
    scores = cluster_metrics.score(
        found.assigned, split.labels, clusters, run.classes,
        found.probabilities,
    )  # fmt: skip
    vote = None
    labels = run.source.images.train.labels
    if voters is not None and labels is not None and (labels >= 0).any():
        vote = cluster_metrics.majority_accuracy(
            found.assigned, split.labels, voters, labels, clusters, run.classes
        )
    return {
        **scores.figures(),
        "acc_majority": vote,
        "matching": scores.matching.tolist(),
        "class_names": list(split.class_names or ()) or None,
        "confusion": scores.confusion.tolist(),
    }


def _protocol(run: ClusteringRun) -> dict[str, Any]:
    images, config = run.source.images, run.config
    labels = "labels too" if config.uses_labels else "no labels"
    return {
        "learns_from": f"{images.train.name}, {labels}",
        "clusters_from": "--clusters"
        if config.clusters
        else "the number of classes, which is known from the labels",
        "neighbours_from": "cosine similarity of the run's clean embeddings, "
        "within each split"
        + (
            "; those of another label left out in training"
            if config.uses_labels
            else ""
        ),
        "head_chosen_on": f"its loss on {run.source.queries.name}, no labels",
        "epoch": "last"
        if run.metadata["stage"] == stopping.STAGE
        else f"lowest loss on {run.source.queries.name}, no labels",
        "matched_on": run.source.queries.name,
        "num_queries": run.source.queries.size,
        "matching": "Hungarian, on the samples that are counted; acc_majority: "
        f"many to one, by a vote of the labels of {images.train.name}",
    }


def finish(run: ClusteringRun, recorder: Recorder) -> dict[str, Any]:
    """Writes result.json and the pictures, and prints the results.

    Only the process with a TensorBoard writer, the chief, writes and prints.

    Returns:
        The content of result.json.
    """
    found = run.assess()
    voters = None
    if run.classes and len(found.sizes) > run.classes:
        voters = _train_clusters(run, found.head)
    result = make_result(run, recorder, found, voters)
    if run.board is not None:
        draw(run, recorder.history, found, result)
        final = {name: result[name] for name in NAMES if result[name]}
        run.board.write_result(final, len(recorder.history))
        run.board.close()
        # This comes last, as result.json marks a clustering as finished.
        run.directory.write_result(result)
        console.show(run.directory, result)
    return result


def _train_clusters(run: ClusteringRun, head: int) -> np.ndarray:
    """Predicts the clusters of the training images, int64 [N]."""
    train = run.source.images.train
    return console.with_progress(
        "training images",
        train.size,
        lambda on_batch: run.logits(train, on_batch)[:, head].numpy().argmax(1),
    )


def draw(
    run: ClusteringRun,
    history: list[dict],
    found: Assessment,
    result: dict[str, Any],
) -> None:
    """Draws the curves, the confusion matrix and the prototypes."""
    directory, split = run.directory, run.source.queries
    method = run.config.loss.upper()
    name = f"{method}, {run.source.config.encoder} on {result['dataset']}"
    if run.config.uses_labels:
        name += ", with labels"
    compared = run.metadata["kmeans"]
    # The learning rate is constant, so its curve shows nothing.
    rows = [{**row, "learning_rate": None} for row in history]
    # The loss of self-labelling is not comparable with that of clustering.
    rows = [
        {**row, "loss": None} if row.get("stage") == stopping.STAGE else row
        for row in rows
    ]
    curves = figures.curves_array(
        rows,
        baselines={"k-means": compared["acc"]} if compared else None,
        title=name,
    )
    figures.save_png(curves, directory.curves)
    if result["confusion"] is not None:
        figures.save_png(
            figures.confusion_array(
                np.array(result["confusion"]),
                split.class_names,
                title=f"{name}: ACC {percent(result['acc'])}",
            ),
            directory.confusion,
        )
    figures.save_png(
        figures.prototypes_array(
            functools.partial(pictures, split),
            found.probabilities,
            matching=result["matching"],
            class_names=split.class_names,
            title=f"{name}: the most confident images of each cluster",
        ),
        directory.prototypes,
    )
