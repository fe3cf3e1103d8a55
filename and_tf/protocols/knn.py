"""Evaluates a run by weighted kNN and by its nearest neighbour alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from and_tf.evaluation.knn import Knn
from and_tf.evaluation.run_knn import RunKnn
from and_tf.protocols.config import Options
from and_tf.protocols.results import Findings
from and_tf.training.run import Run
from and_tf.utils.averages import percent
from and_tf.utils.errors import InputError

GALLERIES = {"clean": "clean gallery", "bank": "memory bank"}


def evaluate(run: Run, options: Options) -> Findings:
    """Classifies the test images by the training images.

    Without a test split it classifies each training image by all others.

    Beside the embeddings of both splits, it needs the memory that `nearest`
    and `weighted_knn` document. For D = 128 and K = 200 this is about 150 MB
    for CIFAR-10, and 1.2 GB for ImageNet's 1,281,167 training and 50,000 test
    images. If each of the 1,281,167 is compared with all others, the
    neighbours alone take 3 GB.

    Raises:
        InputError: If the data set has no labels, or if the bank is asked for
            and there is no memory bank or no test split.
    """
    knn = RunKnn(
        run.images,
        run.image_size,
        options.knn_neighbours,
        options.knn_temperature,
    )
    if not knn.possible:
        raise InputError(
            "Expected labels for --protocols=knn. Received none in "
            f"{run.images.name}. Sort the images into sub-folders by class, or "
            "use a data set with labels."
        )
    figures: dict[str, Any] = {"protocol": {}}
    lines, used = [], []
    for name, gallery in _galleries(run, options.knn_gallery):
        found = knn.classify(run.query_embeddings, gallery)
        figures |= _figures(name, found)
        lines.append(_line(GALLERIES[name], found))
        used.append(name)
        figures["protocol"] = _protocol(knn, found, used)
    title = (
        f"kNN, K = {found.neighbours}, τ = {options.knn_temperature:g}, after "
        f"{run.checkpoint.moment}"
    )
    return Findings(figures, "\n".join([title, *lines]))


def _galleries(run: Run, which: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yields name and rows, float32 [N, D], of each gallery asked for."""
    has_bank = run.has_bank and run.images.test is not None
    if which == "bank" and not has_bank:
        raise InputError(
            "Expected a run with a memory bank and a test split for "
            "--knn_gallery=bank, as a row of the bank comes from views of the "
            "training image itself. Received a run that lacks one of them. "
            "Use --knn_gallery=clean."
        )
    if which != "bank":
        yield "clean", run.train_embeddings
    if which != "clean" and has_bank:
        assert run.model.bank is not None  # As the run has one.
        yield "bank", np.asarray(run.model.bank.rows)


def _protocol(knn: RunKnn, found: Knn, used: Sequence[str]) -> dict:
    protocol = knn.protocol
    assert protocol is not None  # As kNN was possible.
    return {
        "classifier": "weighted kNN; 1-NN beside it",
        "K": found.neighbours,
        "temperature": found.temperature,
        "queries": protocol["queries"],
        "num_queries": len(found.labels),
        "gallery": list(used),
        "num_gallery": found.voters,
    }


def _figures(name: str, found: Knn) -> dict[str, float | None]:
    return {
        f"{name}_top1": found.top1,
        f"{name}_top5": found.top5,
        f"{name}_nearest": found.nearest_top1,
    }


def _line(name: str, found: Knn) -> str:
    # With five classes or fewer, top-5 is always right and says nothing.
    top5 = "" if found.top5 is None else f"top-5 {percent(found.top5, 2)}  "
    return (
        f"  {name:13}  top-1 {percent(found.top1, 2)}  {top5}"
        f"1-NN {percent(found.nearest_top1, 2)}"
    )
