"""What a clustering says at its beginning and leaves behind at its end."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from and_tf import figures, files
from and_tf import summary as training_summary
from and_tf.callbacks.recorder import Recorder
from and_tf.clustering import choosing, confidence, validation
from and_tf.clustering.assessment import Assessment
from and_tf.clustering.config import ClusterConfig
from and_tf.clustering.directory import ClusterDirectory
from and_tf.clustering.job import ClusteringRun
from and_tf.clustering.source import Source
from and_tf.data.pictures import pictures
from and_tf.evaluation import clustering
from and_tf.evaluation.embeddings import embed
from and_tf.run_directory import versions
from and_tf.team import Team
from and_tf.terminal import Counted

NAMES = {"acc": "ACC", "nmi": "NMI", "ari": "ARI", "acc_top5": "ACC top-5"}


def print_start(
    config: ClusterConfig, source: Source, clusters: int, team: Team
) -> None:
    """From which run, on what, and where C comes from."""
    described = dataclasses.replace(source.config, precision=config.precision)
    training_summary.print_start(source.images, described, team)
    identity = source.identity
    print(
        f"encoder of {identity['run_dir']} after {identity['epochs']} epochs, "
        f"{'frozen' if config.freeze else 'fine-tuned'}"
    )
    why = "" if config.clusters else ", the number of classes"
    print(f"{clusters} clusters{why}", flush=True)


def print_mined(k: int, agreement: dict[str, float | None]) -> None:
    """How many of the mined neighbours are of one class."""
    text = f"{k} neighbours of each image"
    if agreement["train"] is not None:
        text += f", {100 * agreement['train']:.1f} % with its label"
    print(text, flush=True)


def print_oracle(kept: np.ndarray) -> None:
    """That labels are used, and to what.

    Args:
        kept: int32 [N, K], neighbours without the false ones.
    """
    alone = (kept == np.arange(len(kept))[:, None]).all(1).mean()
    print(
        f"LABELS ARE USED (--mining=oracle): neighbours with another label "
        f"are left out; {100 * alone:.1f} % of the images have none left and "
        "are paired with themselves",
        flush=True,
    )


def print_baseline(compared: dict[str, Any] | None) -> None:
    """ACC of k-means, which the clustering has to beat."""
    if compared is not None:
        print(f"k-means: ACC {100 * compared['acc']:.1f} %", flush=True)


def with_progress(
    name: str,
    total: int,
    work: Callable[[Callable[[int], None]], np.ndarray],
) -> np.ndarray:
    """Shows the progress of what reports it."""
    with Counted(name, total) as progress:
        return work(progress.advance)


def finish(run: ClusteringRun, recorder: Recorder) -> dict[str, Any]:
    """Writes result.json and the pictures, and prints the table.

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
        # Last: with it a clustering is finished.
        files.write_json(run.directory.result, result)
        show(run.directory, result)
    return result


def make_result(
    run: ClusteringRun,
    recorder: Recorder,
    found: Assessment,
    voters: np.ndarray | None,
) -> dict[str, Any]:
    """Collects the content of result.json.

    Args:
        run: The clustering.
        recorder: Of its epochs.
        found: On the evaluation split, after the last epoch.
        voters: int64 [N], clusters of the training images, where clusters
            are matched many to one.
    """
    config, notes, images = run.config, run.notes, run.source.images
    shown = clustering.prototypes(found.probabilities)
    return {
        "kind": notes["kind"],
        "dataset": run.source.config.dataset,
        "pretext": notes["pretext"],
        "clusters": notes["clusters"],
        "neighbours": config.neighbours,
        "neighbours_agreement": notes["agreement"],
        "mining": config.mining,
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
        "kmeans": notes["kmeans"],
        "cluster_sizes": found.sizes.tolist(),
        "clusters_used": found.used,
        "without_labels": choosing.measures(
            found, run.mined.evaluation, choosing.read(run.directory.sample)
        ),
        "collapsed": found.collapsed,
        "prototypes": shown.tolist(),
        "protocol": _protocol(run),
        "num_examples": images.train.size,
        "backbone": run.source.config.backbone,
        "image_size": run.source.image_size,
        "machine": training_summary.machine(),
        "seed": config.seed,
        "seconds": round(recorder.seconds, 1),
        "train_images_per_second": round(
            float(
                np.median([r["images_per_second"] for r in recorder.history])
            ),
            1,
        ),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(
            timespec="seconds"
        ),
        "versions": versions(),
        **_by_step(run, recorder),
    }


def _by_step(run: ClusteringRun, recorder: Recorder) -> dict[str, Any]:
    """What came of clustering, and of self-labelling after it.

    The figures of the result itself are those of the end.
    """
    after = dict(run.notes["clustered"])
    head, losses = after["head"], after["head_losses"]
    rows = [r for r in recorder.history if r.get("stage") == confidence.STAGE]
    last, config = rows[-1] if rows else {}, run.config
    settled = confidence.settled(confidence.shares(rows), config.patience)
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
    """Matched figures of the evaluation split; None each without labels."""
    split = run.source.evaluation
    names = (*NAMES, "acc_majority", "matching", "class_names", "confusion")
    if run.accuracy(found) is None:
        return dict.fromkeys(names)
    clusters = len(found.sizes)
    scores = clustering.score(
        found.assigned, split.labels, clusters, run.classes,
        found.probabilities,
    )  # fmt: skip
    vote = None
    labels = run.source.images.train.labels
    if voters is not None and labels is not None and (labels >= 0).any():
        vote = clustering.majority_accuracy(
            found.assigned, split.labels, voters, labels, clusters, run.classes
        )
    return {
        **scores.figures(),
        "acc_majority": vote,
        "matching": scores.matching.tolist(),
        "class_names": split.class_names,
        "confusion": scores.confusion.tolist(),
    }


def _train_clusters(run: ClusteringRun, head: int) -> np.ndarray:
    """Clusters of the training images' clean views, int64 [N]."""
    train = run.source.images.train
    logits = with_progress(
        "training images",
        train.size,
        lambda on_batch: embed(
            run.model, train, run.source.image_size, on_batch
        ),
    )
    return run.model.by_head(logits)[:, head].numpy().argmax(1)


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
        "head_chosen_on": f"its loss on {run.source.evaluation.name}, no "
        "labels",
        "epoch": "last",
        "matched_on": run.source.evaluation.name,
        "num_queries": run.source.evaluation.size,
        "matching": "Hungarian, on the samples that are counted; acc_majority: "
        f"many to one, by a vote of the labels of {images.train.name}",
    }


def draw(
    run: ClusteringRun,
    history: list[dict],
    found: Assessment,
    result: dict[str, Any],
) -> None:
    """Draws the curves, the confusion matrix and the prototypes."""
    directory, split = run.directory, run.source.evaluation
    name = f"{run.source.config.backbone} on {result['dataset']}"
    if run.config.uses_labels:
        name += ", with labels"
    compared = run.notes["kmeans"]
    # Of a rate that is constant there is nothing to see.
    rows = [{**row, "learning_rate": None} for row in history]
    # Another loss than that of clustering.
    rows = [
        {**row, "loss": None} if row.get("stage") == confidence.STAGE else row
        for row in rows
    ]
    figures.curves(
        rows,
        directory.curves,
        baselines={"k-means": compared["acc"]} if compared else None,
        title=f"SCAN, {name}",
    )
    if result["confusion"] is not None:
        figures.save_png(
            figures.confusion_array(
                np.array(result["confusion"]),
                split.class_names,
                title=f"SCAN, {name}: ACC {100 * result['acc']:.1f} %",
            ),
            directory.confusion,
        )
    figures.save_png(
        figures.prototypes_array(
            functools.partial(pictures, split),
            found.probabilities,
            matching=result["matching"],
            class_names=split.class_names,
            title=f"SCAN, {name}: the most confident images of each cluster",
        ),
        directory.prototypes,
    )


def show(directory: ClusterDirectory, result: dict[str, Any]) -> None:
    """Prints how a finished clustering ended, and what it wrote."""
    print_table(result)
    print_files(directory, result)


def print_table(result: dict[str, Any]) -> None:
    """k-means and SCAN beside each other."""
    compared = result["kmeans"]

    def line(name: str, figures_of: dict[str, Any] | None) -> None:
        cells = ""
        for key in NAMES:
            value = figures_of.get(key)
            cell = "" if value is None else f"{100 * value:.1f} %"
            cells += f"{cell:>11}"
        print(f"{name:16}{cells}".rstrip())

    print()
    protocol = result["protocol"]
    if result["acc"] is not None:
        print(f"{'':16}" + "".join(f"{head:>11}" for head in NAMES.values()))
        if compared is not None:
            line("k-means", compared)
        name = "oracle" if result.get("uses_labels") else "SCAN"
        line(name, result.get("after_clustering") or result)
        if (result.get("self_labelling") or {}).get("epochs"):
            line("+ self-labelling", result)
        if result["acc_majority"] is not None:
            print(
                f"many clusters to one class: "
                f"{100 * result['acc_majority']:.1f} %"
            )
        print(
            f"matched on {protocol['matched_on']}, "
            f"{protocol['num_queries']:,} images, after the last epoch"
        )
    _print_end(result.get("self_labelling"))
    if result.get("uses_labels"):
        print(
            "LABELS WERE USED: neighbours with another label were left out "
            "(--mining=oracle), so this is a ceiling and no result without "
            "labels"
        )
    sizes = result["cluster_sizes"]
    print(
        f"{result['clusters_used']} of {len(sizes)} clusters used, with "
        f"{min(sizes):,} to {max(sizes):,} images"
    )
    if result.get("without_labels"):
        print(choosing.sentence(result["without_labels"]))
    if result["collapsed"]:
        print(
            validation.COLLAPSED.format(
                used=result["clusters_used"],
                clusters=len(sizes),
                largest=100 * max(sizes) / sum(sizes),
            )
        )


def _print_end(labelled: dict[str, Any] | None) -> None:
    """How long self-labelling went on, and why no longer."""
    if not labelled:
        return
    if not labelled["epochs"]:
        print(
            "no self-labelling, as no answer was above --threshold="
            f"{labelled['threshold']:g}; lower it, with --resume"
        )
        return
    why = ""
    if labelled["ended"] == "settled":
        why = ", where the confident share no longer grew"
    print(
        f"{labelled['epochs']} epochs of self-labelling{why}: "
        f"{100 * labelled['confident']:.1f} % confident at the end"
    )


def print_files(directory: ClusterDirectory, result: dict[str, Any]) -> None:
    """Names what the clustering wrote."""
    confusion = f"{directory.confusion.name}: classes by matched clusters"
    print(f"\nwrote {directory.path}/")
    for text in (
        f"{directory.prototypes.name}: the surest images of each cluster",
        *([confusion] if result["confusion"] is not None else []),
        f"{directory.curves.name}: the curves of the clustering",
        "result.json: the figures, with their protocol",
        "metrics.csv: a row an epoch",
        "checkpoints/, neighbours.npz, sample.npz, flags.cfg",
        f"tensorboard/: tensorboard --logdir {directory.path}",
    ):
        print(f"  {text}")
