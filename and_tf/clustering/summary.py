"""What a clustering leaves behind at its end."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from and_tf import figures
from and_tf.callbacks.recorder import Recorder
from and_tf.clustering import confidence, lines
from and_tf.clustering.assessment import Assessment
from and_tf.clustering.job import ClusteringRun
from and_tf.clustering.result import NAMES, make_result
from and_tf.data.pictures import pictures
from and_tf.evaluation.embeddings import embed


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
        run.directory.write_result(result)
        lines.show(run.directory, result)
    return result


def _train_clusters(run: ClusteringRun, head: int) -> np.ndarray:
    """Clusters of the training images' clean views, int64 [N]."""
    train = run.source.images.train
    logits = lines.with_progress(
        "training images",
        train.size,
        lambda on_batch: embed(
            run.model, train, run.source.image_size, on_batch
        ),
    )
    return run.model.by_head(logits)[:, head].numpy().argmax(1)


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
    curves = figures.curves_array(
        rows,
        baselines={"k-means": compared["acc"]} if compared else None,
        title=f"SCAN, {name}",
    )
    figures.save_png(curves, directory.curves)
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
