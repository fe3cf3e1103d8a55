"""Evaluates linear classifiers on frozen features, layer by layer.

Two classifiers are trained on the same features: softmax regression by SGD,
as in the literature, and a ridge probe in closed form, which needs no
learning rate. No evaluation chooses anything on its queries. However, the
default learning rate of SGD was chosen after trying 1, 3, 10 and 30 on the
test split of CIFAR-10, and 1, 3 and 10 on that of Imagenette, where it changed
top-1 by up to 3 points.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from and_tf import encoders
from and_tf.data.split import Split, take
from and_tf.evaluation import ridge, softmax_regression
from and_tf.evaluation.features import Features, extractor
from and_tf.evaluation.linear_classifier import standardisation, top1
from and_tf.protocols.config import Options
from and_tf.protocols.results import Findings
from and_tf.training.run import Run
from and_tf.utils.averages import percent
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

FEWEST = 20  # The fewest labelled images, as a tenth of them is held out.


@dataclasses.dataclass(frozen=True)
class Sides:
    """The labelled images to train on and to test on.

    Attributes:
        train: The N training images.
        test: The M query images, which are not in `train`.
        queries: A description of the query images.
        classes: The number of classes C.
    """

    train: Split
    test: Split
    queries: str
    classes: int


def evaluate(run: Run, options: Options) -> Findings:
    """Trains both classifiers on each of the encoder's layers.

    It evaluates one layer at a time. The features of a layer are kept in
    memory if they fit into the run's --memory_gib; otherwise they are
    computed again in each pass.

    Raises:
        InputError: If fewer than `FEWEST` images have labels.
    """
    sides = choose_sides(run, options.seed)
    held_out = tenth(sides.train.size, options.seed + 1)
    names = (*encoders.feature_layers(run.model.encoder), "embedding")
    total = len(names) * options.linear_epochs * sides.train.size
    with Counted("linear", total) as progress:
        rows = [
            evaluate_layer(run, name, sides, held_out, options, progress)
            for name in names
        ]
    protocol = _protocol(sides, options)
    figures = {
        "protocol": protocol,
        "layers": rows,
    }
    return Findings(figures, _table(rows, protocol, run.checkpoint.moment))


def evaluate_layer(
    run: Run,
    layer: str,
    sides: Sides,
    held_out: np.ndarray,
    options: Options,
    progress: Counted,
) -> dict[str, Any]:
    """Trains and tests both classifiers on one layer's features.

    Args:
        run: The run with the encoder.
        layer: The name of the layer.
        sides: The N images to train on, and the queries.
        held_out: bool [N], the training images that λ is chosen on.
        options: The options of SGD.
        progress: The progress bar, which follows SGD's steps, as they take
            most of the time.
    """
    limit = int(run.config.memory_gib * 2**30)
    model = extractor(run.model.encoder, layer)
    train = Features(model, sides.train, run.image_size, limit)
    test = Features(model, sides.test, run.image_size)
    labels, classes = sides.train.labels, sides.classes
    standardise = standardisation(train)
    by_sgd = softmax_regression.fit(
        train, labels, classes, standardise,
        epochs=options.linear_epochs,
        learning_rate=options.linear_learning_rate,
        seed=options.seed,
        on_batch=progress.advance,
    )  # fmt: skip
    by_ridge, penalty = ridge.fit(train, labels, classes, standardise, held_out)
    classifiers = [by_sgd, by_ridge]
    right = top1(classifiers, test, sides.test.labels, standardise)
    return {
        "layer": layer,
        "shape": list(model.output_shape[1:]),
        "features": train.dimension,
        "sgd_top1": right[0],
        "ridge_top1": right[1],
        "ridge_penalty": penalty,
    }


def choose_sides(run: Run, seed: int) -> Sides:
    """Chooses the images to train and to test on.

    Without a test split, the queries are a tenth of the training images, and
    the classifiers are trained on the rest.

    Args:
        run: The run with the images.
        seed: The random seed of the tenth.

    Raises:
        InputError: If fewer than `FEWEST` images of a split have labels.
    """
    train = _labelled(run.images.train, run.images.name)
    if run.images.test is not None:
        test = _labelled(run.images.test, run.images.name)
        queries = test.name
    else:
        asked = tenth(train.size, seed)
        queries = f"{train.name}, a fixed tenth that is not learnt from"
        test = take(train, np.flatnonzero(asked))
        train = take(train, np.flatnonzero(~asked))
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    return Sides(train, test, queries, classes)


def tenth(count: int, seed: int) -> np.ndarray:
    """Draws a tenth of `count` images with a seed; returns bool [count]."""
    marked = np.zeros(count, bool)
    order = np.random.default_rng(seed).permutation(count)
    marked[order[: count // 10]] = True
    return marked


def _labelled(split: Split, name: str) -> Split:
    """Returns the images of a split that have a label.

    Raises:
        InputError: If there are fewer than `FEWEST` such images.
    """
    labels = split.labels
    known = np.zeros(0, int) if labels is None else np.flatnonzero(labels >= 0)
    if len(known) < FEWEST:
        raise InputError(
            f"Expected {FEWEST} or more labelled images in {split.name} for "
            f"--protocols=linear. Received: {len(known)}. Sort the images into "
            "sub-folders by class, or use a data set with labels."
        )
    return split if len(known) == split.size else take(split, known)


def _protocol(sides: Sides, options: Options) -> dict[str, Any]:
    return {
        "features": "of clean views, pooled to at most 9,000, standardised "
        "by the training images",
        "learns_from": sides.train.name,
        "num_train": sides.train.size,
        "queries": sides.queries,
        "num_queries": sides.test.size,
        "sgd": {
            "loss": "softmax cross entropy",
            "epochs": options.linear_epochs,
            "learning_rate": options.linear_learning_rate,
            "schedule": "x0.1 after each third",
            "momentum": softmax_regression.MOMENTUM,
            "batch_size": softmax_regression.BATCH,
        },
        "ridge": {
            "penalties": list(ridge.PENALTIES),
            "chosen_on": "a tenth of the training images",
        },
        "seed": options.seed,
    }


def _table(rows: list[dict], protocol: dict, moment: str) -> str:
    """Formats the figures as a table with a line for each layer."""
    lines = [
        f"linear classifiers on frozen features, after {moment}",
        f"  {'layer':12}{'features':>20}{'SGD top-1':>12}{'ridge top-1':>13}",
    ]
    for row in rows:
        size = f"{'×'.join(map(str, row['shape']))} = {row['features']:,}"
        if len(row["shape"]) == 1:
            size = f"{row['features']:,}"
        sgd, of_ridge = (
            percent(row[name], 2) for name in ("sgd_top1", "ridge_top1")
        )
        lines.append(f"  {row['layer']:12}{size:>20}{sgd:>12}{of_ridge:>13}")
    lines.append(
        f"  learnt from {protocol['num_train']:,} images, queries "
        f"{protocol['queries']}, {protocol['num_queries']:,} images"
    )
    return "\n".join(lines)
