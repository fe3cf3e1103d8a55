"""All that can be had of a finished clustering, with its data or without."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np

from and_tf.data.split import Split
from and_tf.evaluation.embeddings import embed
from and_tf.reporting.reported_run import read_metrics
from and_tf.scan import classifier, pretrained
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.training import trained
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted


@dataclasses.dataclass(frozen=True)
class ReportedClustering:
    """A clustering as its page sees it.

    Attributes:
        directory: The clustering's.
        config: Its flags.
        result: The content of result.json.
        classifier: Its model; None where it cannot be had.
        split: The images that clusters are matched on; None likewise.
        missing: Why not, in a sentence; "" where they are there.
        evaluates: Whether the model may be asked.
    """

    directory: ClusterDirectory
    config: ClusterConfig
    result: dict[str, Any]
    classifier: classifier.Classifier | None
    split: Split | None
    missing: str
    evaluates: bool

    @property
    def name(self) -> str:
        """What it is called, in a few words."""
        result = self.result
        return f"Clusters of {result['dataset']}: SCAN on {self.backbone}"

    @property
    def backbone(self) -> str:
        """Of the encoder."""
        return self.result["pretext"]["backbone"]

    @property
    def has_labels(self) -> bool:
        """Whether clusters were held against classes."""
        return self.result["acc"] is not None

    @functools.cached_property
    def history(self) -> list[dict[str, Any]]:
        """A dict an epoch."""
        return read_metrics(self.directory)

    @property
    def class_names(self) -> list[str]:
        """Of all classes; their numbers where the names are not known."""
        names = self.result.get("class_names")
        if names is None and self.split is not None:
            names = self.split.class_names
        count = len(self.result["confusion"] or [])
        return list(names or map(str, range(count)))

    def label_of(self, cluster: int) -> int:
        """The class that a cluster was matched to, −1 for none."""
        matching = self.result["matching"]
        return -1 if matching is None else matching[cluster]

    def cluster_name(self, cluster: int) -> str:
        """Its number, and the class that it was matched to."""
        label = self.label_of(cluster)
        if label < 0:
            return f"cluster {cluster}"
        return f"{cluster} → {self.class_names[label]}"

    @functools.cached_property
    def probabilities(self) -> np.ndarray | None:
        """Of the images, float32 [M, C]; None where the model is not asked."""
        if self.classifier is None or self.split is None or not self.evaluates:
            return None
        side = self.classifier.checkpoint.notes["encoder"]["image_size"]
        split = self.split
        with Counted(f"cluster {split.name}", split.size) as progress:
            return embed(self.classifier.model, split, side, progress.advance)


def load(
    path: pathlib.Path, data_dir: str = "", evaluates: bool = True
) -> ReportedClustering:
    """Loads what is there of a clustering.

    Args:
        path: Its directory.
        data_dir: Where its data lie now; empty where they lay before.
        evaluates: Whether the model may be asked.

    Raises:
        InputError: If it is no clustering, or is not finished.
    """
    directory = ClusterDirectory(path)
    config, result = directory.config(), directory.read_result()
    if result is None:
        raise InputError(
            f"Expected a finished clustering in {path}. Received one that is "
            "not: go on with it by python -m and_tf.cluster --resume."
        )
    model, split, missing = None, None, ""
    try:
        model = classifier.load(path)
        images = trained.load_images(
            pretrained.training_config(directory, config), data_dir
        )
        split = images.test or images.train
    except InputError as error:
        missing = str(error)
    return ReportedClustering(
        directory, config, result, model, split, missing, evaluates
    )
