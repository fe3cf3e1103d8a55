"""Holds the objects that the parts of one clustering share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from and_tf.data.split import Split
from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation.cluster_metrics import number_of_classes
from and_tf.evaluation.embeddings import embed
from and_tf.scan import validation
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.scan.frozen_features import FrozenFeatures
from and_tf.scan.mining import Mined
from and_tf.scan.scan_model import SCAN
from and_tf.scan.temi_model import TEMI
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.run import Run


@dataclasses.dataclass(frozen=True)
class ClusteringRun:
    """A clustering in progress.

    Attributes:
        config: The config of the clustering.
        directory: The directory that it writes to.
        source: The run that it starts from, with its images.
        mined: The mined neighbours of the images.
        model: The model that is trained.
        board: The TensorBoard writer; None on processes that do not write.
        metadata: The metadata that checkpoints hold beside arrays.
        processes: The processes that train the model.
        features: The features of all images, if they were computed once.
    """

    config: ClusterConfig
    directory: ClusterDirectory
    source: Run
    mined: Mined
    model: SCAN
    board: TensorBoardWriter | None
    metadata: dict[str, Any]
    processes: ProcessGroup
    features: FrozenFeatures | None = None

    @property
    def classes(self) -> int:
        """The number of classes of the data set; 0 if it is unknown."""
        return number_of_classes(self.source.images)

    def assess(self) -> validation.Assessment:
        """Assesses the current model on the evaluation split.

        If the model keeps a moving average of its weights, it assesses the
        average.
        """
        with self.model.averaged():
            logits = self.logits(self.source.queries)
        beta = self.model.beta if isinstance(self.model, TEMI) else None
        return validation.assess(logits, self.mined.evaluation, beta)

    def logits(
        self, split: Split, on_batch: Callable[[int], None] | None = None
    ) -> Any:
        """Computes the logits of all heads for clean images.

        Args:
            split: The n training or evaluation images.
            on_batch: A function that is called with the number of images of
                each batch that is computed from images.

        Returns:
            An eager tensor, float32 [n, H, C].
        """
        if self.features is None:
            size = self.source.image_size
            found = embed(self.model, split, size, on_batch)
        else:
            found = self.features.through(
                self.model.logits, split is self.source.images.train
            )
        return self.model.by_head(found)

    def accuracy(self, found: validation.Assessment) -> float | None:
        """Computes ACC on the evaluation split; None without labels."""
        return found.accuracy(self.source.queries, self.classes)
