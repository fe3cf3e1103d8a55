"""Defines the directory of a clustering."""

from __future__ import annotations

import pathlib

from and_tf.scan.config import ClusterConfig
from and_tf.training.run_directory import OutputDirectory

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


class ClusterDirectory(OutputDirectory[ClusterConfig]):
    """The directory of a clustering, with some files of its own.

    Args:
        path: The directory, which need not exist.

    Attributes:
        mined: The file of the mined neighbours.
        features: The file of the features that were computed once, which is
            deleted when the clustering is finished.
        sample: The file of the features for the silhouette.
        confusion: The picture of the confusion matrix.
        prototypes: The picture of each cluster's most confident images.
    """

    config_class = ClusterConfig
    columns = COLUMNS
    flag = "--output_dir"
    command = "python -m and_tf.cluster --run_dir=…"

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__(path)
        self.mined = path / "neighbours.npz"
        self.features = path / "features.npz"
        self.sample = path / "sample.npz"
        self.confusion = path / "confusion.png"
        self.prototypes = path / "prototypes.png"
