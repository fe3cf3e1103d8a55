"""The directory of a clustering."""

from __future__ import annotations

import pathlib

from and_tf.scan.config import ClusterConfig
from and_tf.training.run_directory import RunDirectory

COLUMNS = (
    "epoch",
    "loss",
    "consistency_loss",
    "entropy",
    "learning_rate",
    "images_per_second",
    "seconds",
    "validation_loss",
    "head",
    "clusters_used",
    "largest_cluster",
    "acc",
    "stage",
    "confident",
    "confident_acc",
    "skipped",
)


class ClusterDirectory(RunDirectory):
    """As a run's, with what was mined and what the clusters look like.

    Args:
        path: The directory; need not exist.
    """

    config_class = ClusterConfig
    columns = COLUMNS
    flag = "--output_dir"
    command = "python -m and_tf.cluster --run_dir=…"

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__(path)
        self.mined = path / "neighbours.npz"
        self.sample = path / "sample.npz"
        self.confusion = path / "confusion.png"
        self.prototypes = path / "prototypes.png"
