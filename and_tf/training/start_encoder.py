"""Sets up the encoder that a new run begins with.

A resumed run has all of this in its checkpoint.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import keras
import numpy as np

from and_tf.data.split import Split, subset
from and_tf.encoders import heads
from and_tf.encoders.whitening import FIT_IMAGES, fit_whitening
from and_tf.evaluation.kept_features import features_of
from and_tf.evaluation.knn import Knn
from and_tf.training import results
from and_tf.training.experiment import Training

_BLOCK = 4096  # Rows.
FROZEN = "frozen features"


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A split as features of the trunk and as embeddings.

    Attributes:
        features: float32 [n, F].
        rows: float32 [n, D], of unit norm.
    """

    features: np.ndarray
    rows: np.ndarray


def begin(training: Training) -> None:
    """Sets the head of a trained encoder, fills the bank, and evaluates both.

    It takes one pass over the training images and one over the test images;
    with more than `FIT_IMAGES` training images one more, since features of
    all of them are not kept.
    """
    start = time.monotonic()
    fills = training.config.bank_initialiser == "encoder"
    whitens = training.config.head == "whitened"
    gallery = set_head(training, whitens=whitens, fills=fills)
    if training.knn.possible:
        _evaluate(training, gallery)
    training.metadata["seconds"] += time.monotonic() - start


def set_head(
    training: Training, *, whitens: bool, fills: bool = True
) -> Embedded | None:
    """Whitens the head of a run, and fills the bank.

    Args:
        training: The run.
        whitens: Whether the head is whitened.
        fills: Whether the bank gets the embeddings of the encoder.

    Returns:
        The training images, or None if there are more than `FIT_IMAGES`.
    """
    head, features = _head_and_features(training)
    if whitens:
        whiten(
            training.model.encoder, features, training.config.whitening_power
        )
    return _embedded_training(training, head, features, fills)


def whiten_learnt(training: Training) -> float | None:
    """Whitens the head that a run has learnt, and renews the bank.

    One pass over the training images is enough for both heads, unless there
    are more than `FIT_IMAGES`.

    Returns:
        The kNN top-1 of the head as it was learnt; None without labels.
    """
    head, features = _head_and_features(training)
    learnt = _top1(training, head, features)
    whiten(training.model.encoder, features, training.config.whitening_power)
    _embedded_training(training, head, features, fills=True)
    return learnt


def _head_and_features(training: Training) -> tuple[keras.Model, np.ndarray]:
    """Returns the head, and float32 [n, F] of at most `FIT_IMAGES` images."""
    trunk, head = _split(training)
    train = subset(training.images.train, FIT_IMAGES, training.config.seed)
    return head, _features(training, trunk, train)


def _embedded_training(
    training: Training, head: keras.Model, features: np.ndarray, fills: bool
) -> Embedded | None:
    """Embeds features by the head as it is now; see `set_head`."""
    model, rows = training.model, None
    if len(features) == training.images.train.size:
        rows = embedded(head, features)
    if model.bank is not None and fills:
        if rows is None:
            model.fill_bank(training.clean_views())
        else:
            model.bank.fill(rows)
    return None if rows is None else Embedded(features, rows)


def _top1(
    training: Training, head: keras.Model, features: np.ndarray
) -> float | None:
    """Returns the kNN top-1 of the head as it is now; None without labels."""
    knn, model = training.knn, training.model
    if not knn.possible:
        return None
    queries = knn.queries(model)
    if len(features) < training.images.train.size:
        return knn.clean(model, queries).top1
    gallery = embedded(head, features)
    return knn.classify(gallery if queries is None else queries, gallery).top1


def _split(training: Training) -> tuple[keras.Model, keras.Model]:
    with training.processes.strategy.scope():
        return heads.split(training.model.encoder)


def whiten(encoder: keras.Model, features: np.ndarray, power: float) -> None:
    """Sets an encoder's head to the whitened components of features.

    Args:
        encoder: An encoder whose head is one dense layer, changed in place.
        features: float32 [n, F], the features of clean training images.
        power: The whitening power, see `fit_whitening`.
    """
    layer = encoder.get_layer(heads.PROJECTION)
    mean, projection = fit_whitening(features, layer.units, power)
    # Embeddings are normalised, so that a common factor changes nothing but
    # the size of gradients: make it that of a layer with random weights.
    projection /= np.linalg.norm(projection, axis=0).mean() or 1.0
    layer.kernel.assign(projection)
    layer.bias.assign(-mean @ projection)


def _features(
    training: Training, trunk: keras.Model, split: Split
) -> np.ndarray:
    return features_of(
        trunk, split, training.image_size, training.metadata["encoder"]
    )


def embedded(head: keras.Model, features: np.ndarray) -> np.ndarray:
    """Computes embeddings of features, in blocks, on one device."""
    blocks = np.array_split(features, -(-len(features) // _BLOCK))
    return np.concatenate([np.asarray(head(block)) for block in blocks])


def _evaluate(training: Training, gallery: Embedded | None) -> None:
    """Adds the kNN figures of the encoder as it is to the metadata."""
    config, test = training.config, training.images.test
    knn = training.knn
    trunk, head = _split(training)
    if gallery is None:
        found = knn.clean(training.model)
    else:
        asked = gallery
        if test is not None:
            features = _features(training, trunk, test)
            asked = Embedded(features, embedded(head, features))
        frozen = knn.classify(_unit(asked.features), _unit(gallery.features))
        results.add_baseline(training, FROZEN, frozen)
        found = knn.classify(asked.rows, gallery.rows)
    if config.head != "none":
        results.add_baseline(training, f"{config.head} head", found)
    training.metadata["start"] = _figures(found)


def _figures(found: Knn) -> dict[str, Any]:
    return {"knn_clean": found.top1, "knn_clean_top5": found.top5}


def _unit(features: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norm, 1e-12)
