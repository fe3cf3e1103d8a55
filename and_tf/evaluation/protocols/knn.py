"""Weighted kNN of a run, and its nearest neighbour alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from and_tf.errors import InputError
from and_tf.evaluation.findings import Findings
from and_tf.evaluation.knn import Knn
from and_tf.evaluation.options import Options
from and_tf.evaluation.run_knn import RunKnn
from and_tf.trained import Trained

GALLERIES = {"clean": "clean gallery", "bank": "memory bank"}


def evaluate(run: Trained, options: Options) -> Findings:
    """Classifies the test images, or else each training image by the others.

    Beside the embeddings of both sides it takes what `nearest` and
    `weighted_knn` say: about 150 MB for 50,000 images in the gallery and
    1.2 GB for 1,281,167, at D = 128, however many queries there are.

    Raises:
        InputError: If the data set has no labels, or the bank is asked for
            and there is none, or no test split.
    """
    knn = RunKnn(
        run.images,
        run.image_size,
        options.knn_neighbours,
        options.knn_temperature,
    )
    if not knn.possible:
        raise InputError(
            f"Expected labels for --protocols=knn. Received none in "
            f"{run.images.name}: class sub-folders, or a data set with "
            "labels, have them."
        )
    figures = {"protocol": {}, "epochs": run.checkpoint.epochs}
    lines = []
    for name, gallery in _galleries(run, options.knn_gallery):
        found = knn.classify(run.query_embeddings, gallery)
        figures |= _figures(name, found)
        lines.append(_line(GALLERIES[name], found))
        figures["protocol"] = _protocol(run, knn, found, options)
    title = (
        f"kNN, K = {found.neighbours}, τ = {options.knn_temperature:g}, after "
        f"{run.checkpoint.epochs} epochs"
    )
    return Findings(figures, "\n".join([title, *lines]))


def _galleries(run: Trained, which: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and rows, float32 [N, D], of each gallery that is asked for."""
    has_bank = (
        run.model.bank is not None
        and run.checkpoint.has("method")
        and run.images.test is not None
    )
    if which == "bank" and not has_bank:
        raise InputError(
            "Expected a checkpoint with its memory bank, and a test split, "
            "for --knn_gallery=bank: each row of the bank is of a training "
            "image's augmented views. Received a run without one of them. "
            "Use --knn_gallery=clean."
        )
    if which != "bank":
        yield "clean", run.train_embeddings
    if which != "clean" and has_bank:
        yield "bank", np.asarray(run.model.bank.rows)


def _protocol(run: Trained, knn: RunKnn, found: Knn, options: Options) -> dict:
    return {
        "classifier": "weighted kNN; 1-NN beside it",
        "K": found.neighbours,
        "temperature": options.knn_temperature,
        "queries": knn.protocol["queries"],
        "num_queries": len(found.predictions),
        "gallery": options.knn_gallery,
        "num_gallery": run.images.train.size,
    }


def _figures(name: str, found: Knn) -> dict[str, float]:
    return {
        f"{name}_top1": found.top1,
        f"{name}_top5": found.top5,
        f"{name}_nearest": found.nearest,
    }


def _line(name: str, found: Knn) -> str:
    return (
        f"  {name:13}  top-1 {100 * found.top1:.2f} %  "
        f"top-5 {100 * found.top5:.2f} %  1-NN {100 * found.nearest:.2f} %"
    )
