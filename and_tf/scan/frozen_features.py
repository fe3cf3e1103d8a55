"""Computes the features of a frozen encoder once, for all epochs.

If the encoder does not change and images are not augmented, every epoch would
compute the same features again. One pass over the images, which mining needs
in any case, computes the features and, from them, the embeddings. Clusterings
of one run share the pass, see `kept_features`.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from and_tf.data.split import Split
from and_tf.data.zero_copy import shareable
from and_tf.distribution.process_group import ProcessGroup
from and_tf.encoders import heads
from and_tf.evaluation.kept_features import features_of
from and_tf.training.run import Run
from and_tf.training.start_encoder import Embedded, embedded
from and_tf.utils import archives, atomic_files

_ARRAYS = {"train": ("f", 2), "evaluation": ("f", 2)}
_BLOCK = 4096  # Rows.


@dataclasses.dataclass(frozen=True)
class FrozenFeatures:
    """The features of both splits that the heads learn from.

    Attributes:
        train: float32 [N, F], the features of the training images.
        evaluation: float32 [M, F], those of the evaluation images; without a
            test split, they are those of the training images.
    """

    train: np.ndarray
    evaluation: np.ndarray

    def through(
        self, layers: Callable[[np.ndarray], tf.Tensor], train: bool
    ) -> np.ndarray:
        """Applies layers to all features of a split, in blocks of rows.

        Args:
            layers: A function of float32 [b, F] that returns [b, …].
            train: Whether to take the training or the evaluation images.
        """
        rows = self.train if train else self.evaluation
        blocks = np.array_split(rows, -(-len(rows) // _BLOCK))
        return np.concatenate([np.asarray(layers(block)) for block in blocks])

    def moments(self) -> Moments:
        """Computes the moments of the training images' features."""
        mean = self.train.mean(axis=0, dtype=np.float64)
        scale = self.train.std(axis=0, dtype=np.float64).mean()
        return Moments(mean.astype(np.float32), np.float32(scale or 1.0))


class Moments(NamedTuple):
    """The moments that features are standardised by.

    All features share one scale, so that those that vary more still count for
    more: the mean of their standard deviations.

    Attributes:
        mean: float32 [F].
        scale: float32 [].
    """

    mean: np.ndarray
    scale: np.floating


def compute(
    source: Run, features: str, processes: ProcessGroup
) -> tuple[FrozenFeatures, np.ndarray, np.ndarray | None]:
    """Computes features and embeddings in one pass over each split.

    Args:
        source: The run with the encoder and the images.
        features: What the heads see: "backbone", the pooled features, or
            "embedding".
        processes: The processes that share the images.

    Returns:
        (features, the embeddings of the training images, float32 [N, D], and
        those of the test images, or None without a test split).
    """
    train, test = source.images.train, source.images.test
    with processes.strategy.scope():
        found = _embedded(source, train)
        asked = _embedded(source, test) if test else None

    def seen(of: Embedded) -> np.ndarray:
        rows = of.rows if features == "embedding" else of.features
        return aligned(rows)

    first = seen(found)
    kept = FrozenFeatures(first, seen(asked) if asked else first)
    return kept, found.rows, asked.rows if asked else None


def _embedded(source: Run, split: Split) -> Embedded:
    trunk, head = heads.split(source.encoder)
    features = features_of(trunk, split, source.image_size, source.built_from)
    return Embedded(features, embedded(head, features))


def aligned(rows: np.ndarray) -> np.ndarray:
    """Returns rows that a pipeline can read without copying them."""
    rows = np.ascontiguousarray(rows)
    return shareable(rows.view(np.uint8)).view(rows.dtype)


def write(path: pathlib.Path, features: FrozenFeatures) -> None:
    """Writes features, so that a resumed run need not compute them again."""
    arrays = dataclasses.asdict(features)
    if features.evaluation is features.train:
        arrays["evaluation"] = features.train[:0]
    atomic_files.write(path, lambda file: np.savez(file, **arrays))


def read(
    path: pathlib.Path, train_size: int, evaluation_size: int
) -> FrozenFeatures | None:
    """Reads features; None if the file is missing, damaged or of other images.

    They are then computed again, which takes longer but gives the same.

    Args:
        path: The file.
        train_size: The number N of training images.
        evaluation_size: The number M of evaluation images.
    """
    try:
        train, evaluation = map(aligned, archives.read(path, _ARRAYS))
    except archives.DAMAGE:
        return None
    if not len(evaluation):
        evaluation = train
    sizes = len(train), len(evaluation)
    return (
        FrozenFeatures(train, evaluation)
        if sizes == (train_size, evaluation_size)
        else None
    )
