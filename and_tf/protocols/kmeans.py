"""Evaluates k-means on a run's embeddings, matched to the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from and_tf.data.split import Split
from and_tf.evaluation import cluster_metrics, kmeans
from and_tf.protocols.config import Options
from and_tf.protocols.results import Findings
from and_tf.training.run import Run
from and_tf.utils.averages import percent
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

SILHOUETTE = 2000  # The most samples for the silhouette.


def evaluate(run: Run, options: Options) -> Findings:
    """Clusters the training embeddings and evaluates on the test split.

    Without a test split it evaluates on the training images. Without labels
    the figures are only the cluster sizes and the silhouette.

    Raises:
        InputError: If the number of clusters is neither given nor known from
            labels.
    """
    clusters = choose_clusters(run, options.kmeans_clusters)
    asked = run.images.test or run.images.train
    rows = run.query_embeddings
    first: np.ndarray | None = None
    seen = []
    with Counted("k-means", options.kmeans_seeds) as progress:
        # One partition at a time bounds the memory: distances are [Q, C].
        for part in kmeans.partitions(
            run.train_embeddings, rows, clusters, options.kmeans_seeds
        ):
            first = part.asked if first is None else first
            seen.append(_against_labels(run, part, clusters))
            progress.advance(1)
    assert first is not None  # As there are one or more seeds.
    drawn = cluster_metrics.draw(len(rows), SILHOUETTE)
    figures = {
        "protocol": _protocol(run, asked, options),
        "clusters": clusters,
        "silhouette": cluster_metrics.silhouette(rows[drawn], first[drawn]),
        "cluster_sizes": cluster_metrics.cluster_sizes(
            first, clusters
        ).tolist(),
        **_over_seeds([one for one in seen if one is not None]),
    }
    return Findings(figures, _text(figures, run.checkpoint.moment))


def choose_clusters(run: Run, asked_for: int) -> int:
    """Returns the number of clusters C.

    Args:
        run: The run.
        asked_for: The number asked for; 0 means the number of classes.

    Raises:
        InputError: If C is neither given nor known from labels.
    """
    clusters = asked_for or cluster_metrics.classes_that_occur(run.images)
    if not clusters:
        raise InputError(
            "Expected --kmeans_clusters, as the number of classes in "
            f"{run.images.name} is not known. Received none."
        )
    return clusters


def _against_labels(
    run: Run, part: kmeans.Partition, clusters: int
) -> tuple[cluster_metrics.Scores, float | None] | None:
    """Returns one seed's scores and its accuracy after a majority vote.

    Returns:
        None if there are no labels. The accuracy is None if there are no more
        clusters than classes, or the training images have no labels.
    """
    train, asked = run.images.train, run.images.test or run.images.train
    if not asked.has_labels:
        return None
    classes = cluster_metrics.number_of_classes(run.images)
    scores = kmeans.score(part, asked.labels, clusters, classes)
    if clusters <= classes or not train.has_labels:
        return scores, None
    return scores, cluster_metrics.majority_accuracy(
        part.asked, asked.labels, part.train, train.labels, clusters, classes
    )


def _over_seeds(
    seen: Sequence[tuple[cluster_metrics.Scores, float | None]],
) -> dict[str, Any]:
    """Summarises the figures by `kmeans.over_seeds`; empty without labels."""
    if not seen:
        return {}
    scores, majorities = zip(*seen, strict=True)
    figures = kmeans.over_seeds(scores)
    if None not in majorities:
        figures["acc_majority"] = float(np.mean(majorities))
    return figures


def _protocol(run: Run, asked: Split, options: Options) -> dict[str, Any]:
    protocol = {
        "clustering": f"k-means, the best of {kmeans.RESTARTS} starts by "
        "inertia; figures are means over seeds",
        "clusters_from": "--kmeans_clusters"
        if options.kmeans_clusters
        else "the number of classes, which is known from the labels",
        "fit_on": f"clean embeddings of {run.images.train.name}",
        "num_train": run.images.train.size,
        "asked": asked.name,
        "num_queries": asked.size,
        "silhouette": f"of at most {SILHOUETTE:,} images, Euclidean",
        "seeds": options.kmeans_seeds,
    }
    if asked.has_labels:
        protocol["matched_on"] = asked.name
        protocol["matching"] = (
            "Hungarian, on the samples that are counted; acc_top5: whether "
            "the class is that of one of the five nearest centres; "
            "acc_majority, of more clusters than classes: many to one, by a "
            f"vote of the labels of {run.images.train.name}"
        )
    return protocol


def _text(figures: dict[str, Any], moment: str) -> str:
    protocol = figures["protocol"]
    clusters, seeds = figures["clusters"], protocol["seeds"]
    times = f"{seeds} seeds" if seeds > 1 else "1 seed"
    lines = [f"k-means, {clusters} clusters, {times}, after {moment}"]
    for name in ("acc", "nmi", "ari", "acc_top5"):
        if figures.get(name) is None:
            continue
        text = percent(figures[name], 2, figures[f"{name}_std"])
        title = name.upper().replace("_TOP5", " top-5")
        lines.append(f"  {title:11}{text}")
    if "acc_majority" in figures:
        lines.append(
            f"  {'majority':11}{percent(figures['acc_majority'], 2)}, many "
            "clusters to one class"
        )
    sizes = figures["cluster_sizes"]
    lines.append(f"  {'sizes':11}{min(sizes):,} to {max(sizes):,} images")
    if figures["silhouette"] is not None:
        lines.append(f"  {'silhouette':11}{figures['silhouette']:.3f}")
    lines.append(
        f"  fitted to {protocol['num_train']:,} images, measured on "
        f"{protocol['asked']}, {protocol['num_queries']:,} images"
    )
    return "\n".join(lines)
