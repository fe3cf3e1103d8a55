"""What the parts of one clustering share."""

from __future__ import annotations

import dataclasses
from typing import Any

from and_tf.distribution.process_group import ProcessGroup
from and_tf.evaluation.cluster_metrics import number_of_classes
from and_tf.scan import validation
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.scan.mining import Mined
from and_tf.scan.scan_model import SCAN
from and_tf.training.callbacks.tensorboard import TensorBoardWriter
from and_tf.training.run import Run


@dataclasses.dataclass(frozen=True)
class ClusteringRun:
    """A clustering in progress.

    Attributes:
        config: What it was told.
        directory: Where it writes.
        source: The run that it starts from, with its images.
        mined: Neighbours of its images.
        model: What learns.
        board: Its TensorBoard; None on a process that does not write.
        metadata: What its checkpoints carry beside arrays.
        processes: Who trains.
    """

    config: ClusterConfig
    directory: ClusterDirectory
    source: Run
    mined: Mined
    model: SCAN
    board: TensorBoardWriter | None
    metadata: dict[str, Any]
    processes: ProcessGroup

    @property
    def classes(self) -> int:
        """Of the data set; 0 where it is not known."""
        return number_of_classes(self.source.images)

    def assess(self) -> validation.Assessment:
        """The model as it is, on the evaluation split."""
        with self.model.averaged():
            return validation.assess(
                self.model,
                self.source.queries,
                self.mined.evaluation,
                self.source.image_size,
            )

    def accuracy(self, found: validation.Assessment) -> float | None:
        """ACC on the evaluation split; None without labels."""
        return found.accuracy(self.source.queries, self.classes)
