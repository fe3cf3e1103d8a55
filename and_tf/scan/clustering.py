"""Loads a finished clustering, to report or export it."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import Any

import keras
import numpy as np

from and_tf import encoders, storage
from and_tf.data.pixel_format import PixelFormat
from and_tf.data.split import ImageData, Split
from and_tf.evaluation.embeddings import embed
from and_tf.scan.directory import ClusterDirectory
from and_tf.scan.scan_model import SCAN
from and_tf.training import trainer
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import flag_files, schemas
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted


class Clustering:
    """A finished clustering whose parts load when they are first used.

    Args:
        path: The directory of the clustering.
        data_dir: The directory of the data set now. If empty, it is where the
            clustering read it.
        evaluates: Whether `probabilities` may run the classifier on all
            images; if not, `probabilities` is None.

    Attributes:
        directory: The directory of the clustering.
        config: The config of the clustering.
        result: The content of result.json.
        data_dir: The argument `data_dir`.
        evaluates: The argument `evaluates`.

    Raises:
        InputError: If there is no clustering in `path`, or it is not finished.
    """

    def __init__(
        self, path: pathlib.Path, data_dir: str = "", evaluates: bool = True
    ) -> None:
        self.evaluates = evaluates
        self.directory = ClusterDirectory(path)
        self.config = self.directory.config()
        result = self.directory.read_result()
        if result is None:
            raise _not_finished(path)
        self.result: dict[str, Any] = result
        self.data_dir = data_dir

    @property
    def name(self) -> str:
        """A name for people, with the data set and the encoder."""
        backbone = self.result["pretext"]["backbone"]
        dataset = self.result["dataset"]
        return f"Clusters of {dataset}: {self.method} on {backbone}"

    @property
    def method(self) -> str:
        """The method's name: SCAN or TEMI."""
        # Results of older versions are all SCAN's.
        return self.result.get("loss", "scan").upper()

    @functools.cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that the results belong to.

        It is that of the epoch with the lowest loss or, after self-labelling,
        that of the last epoch.

        Raises:
            InputError: If the checkpoint is missing or damaged.
        """
        found = self.directory.checkpoints.latest()
        if found is None:
            raise _not_finished(self.directory.path)
        labelled = self.result["self_labelling"]
        best = self.result["clustering"].get("epoch")
        # Results without an epoch, from older versions, use the last one.
        if best and not (labelled and labelled["epochs"]):
            return self.directory.checkpoints.best(best)
        return found

    @functools.cached_property
    def scan(self) -> SCAN:
        """The restored model with all of its heads."""
        metadata = self.checkpoint.metadata
        scan = SCAN(
            encoders.build(**metadata["encoder"]),
            metadata["clusters"],
            heads=metadata["heads"],
            features=metadata["features"],
            standardise=metadata.get("standardise", False),
        )
        restore(scan, self.checkpoint)
        return scan

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """A model of the chosen head.

        It maps images, uint8 or float32 [B, S, S, C] with values 0..255, to
        the probabilities of the clusters, float32 [B, C].
        """
        # After self-labelling, the model has only the chosen head.
        head = self.result["head"] if self.scan.heads > 1 else 0
        return single_head(self.scan, head)

    @property
    def keeps_projection(self) -> bool:
        """True if the encoder's embedding is still meaningful.

        Fine-tuning for heads on the backbone's features changes the input of
        the projection but not the projection itself.
        """
        return self.config.freeze or self.config.features == "embedding"

    @functools.cached_property
    def encoder(self) -> keras.Model:
        """A model from images to vectors for comparing them.

        It returns float32 [B, D] of unit norm: the encoder's embedding or, if
        that is no longer meaningful (see `keeps_projection`), the features
        that the heads see.
        """
        if self.keeps_projection:
            return self.scan.encoder
        trunk = self.scan.trunk
        unit = keras.layers.UnitNormalization(dtype="float32", name="unit_norm")
        return keras.Model(trunk.input, unit(trunk.output), name="features")

    @property
    def image_size(self) -> int:
        """The side S of the encoder's input, in pixels."""
        return self.checkpoint.metadata["encoder"]["image_size"]

    @property
    def embedding_dim(self) -> int:
        """The dimension D of the vectors from `encoder`."""
        return self.encoder.output_shape[-1]

    @functools.cached_property
    def run_config(self) -> TrainConfig:
        """The config of the run, with the data directory of the clustering.

        If the run and the clustering inside it were moved together, the run
        is the parent directory of the clustering.

        Raises:
            InputError: If the run is in neither place.
        """
        told = storage.place(self.config.run_dir)
        for path in (told, self.directory.path.parent):
            run = RunDirectory(path)
            if run.flagfile.is_file():
                changes: dict[str, Any] = {"memory_gib": self.config.memory_gib}
                data_dir = self.data_dir or self.config.data_dir
                if data_dir:
                    changes["data_dir"] = data_dir
                return dataclasses.replace(run.config(), **changes)
        raise InputError(
            f"The clustering in {self.directory.path} needs the images of the "
            f"run {told}, which is not there. Put the run back."
        )

    @functools.cached_property
    def images(self) -> ImageData:
        """The images of the run that was clustered."""
        return trainer.load_images(self.run_config, form=self.form)

    @property
    def form(self) -> PixelFormat:
        """The channels of the images, and what their values mean."""
        return PixelFormat.of(self.checkpoint.metadata["encoder"])

    @property
    def queries(self) -> Split:
        """The split that clusters are matched on."""
        return self.images.test or self.images.train

    @functools.cached_property
    def missing(self) -> str:
        """The reason why model or images cannot be loaded; "" if they can."""
        try:
            _ = self.classifier, self.images
        except InputError as error:
            return str(error)
        return ""

    @functools.cached_property
    def history(self) -> list[dict[str, Any]]:
        """The logs of each epoch, a dict per epoch."""
        return self.directory.read_metrics()

    @property
    def has_labels(self) -> bool:
        """True if the clusters were compared with labels."""
        return self.result["acc"] is not None

    @property
    def class_names(self) -> list[str]:
        """The names of all classes, or their numbers if names are unknown."""
        names = self.result.get("class_names")
        if names is None and not self.missing:
            names = self.queries.class_names
        count = len(self.result["confusion"] or [])
        return list(names or map(str, range(count)))

    @property
    def matching(self) -> list[int] | None:
        """The class that each cluster was matched to, −1 for none, or None."""
        return self.result["matching"]

    def label_of(self, cluster: int) -> int:
        """Returns the class that a cluster was matched to, −1 if none."""
        matching = self.result["matching"]
        return -1 if matching is None else matching[cluster]

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """The name of each cluster's class, or "cluster" and its number."""
        names = self.result.get("class_names")
        found = []
        for cluster in range(self.classifier.output_shape[-1]):
            label = self.label_of(cluster)
            if label < 0:
                found.append(f"cluster {cluster}")
            else:
                found.append(names[label] if names else str(label))
        return tuple(found)

    @functools.cached_property
    def probabilities(self) -> np.ndarray | None:
        """The probabilities of the clusters for `queries`, float32 [M, C].

        None if `evaluates` is False, or if the model or the images cannot be
        loaded.
        """
        if not self.evaluates or self.missing:
            return None
        split = self.queries
        with Counted(f"cluster {split.name}", split.size) as progress:
            return embed(
                self.classifier, split, self.image_size, progress.advance
            )

    def bank_rows(self) -> np.ndarray:
        """Raises an error, as a clustering has no memory bank.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "Expected a run with a memory bank, for --gallery=bank. Received "
            f"the clustering {self.directory.path}, which has none. Use "
            "--gallery=clean."
        )


def restore(scan: SCAN, checkpoint: Checkpoint) -> None:
    """Restores a clustering's weights, or their average if it has one."""
    learnt = [*scan.encoder.variables, *scan.method_variables]
    averages = checkpoint.arrays("method")[len(scan.method_variables) :]
    if not averages:
        checkpoint.restore("encoder", scan.encoder.variables)
        checkpoint.restore("method", scan.method_variables)
        return
    for variable, average in zip(learnt, averages, strict=True):
        variable.assign(average)


def single_head(scan: SCAN, head: int) -> keras.Model:
    """Makes a model from images to one head's probabilities, [B, C]."""
    start = head * scan.clusters
    logits = scan.logits(scan.trunk.output)[:, start : start + scan.clusters]
    probabilities = keras.layers.Softmax(dtype="float32", name="clusters")
    return keras.Model(scan.trunk.input, probabilities(logits), name="scan")


def is_clustering(path: pathlib.Path) -> bool:
    """Returns whether a directory is that of a clustering, not of a run.

    Its newest checkpoint says so. Before there is one, the flags tell, as a
    training has no --entropy_weight.
    """
    directory = ClusterDirectory(path)
    metadata = directory.checkpoints.newest_metadata()
    if metadata is not None:
        return schemas.is_clustering(metadata)
    try:
        lines = flag_files.read(directory.flagfile)
    except InputError:
        return False
    return any(line.startswith("--entropy_weight=") for line in lines)


def _not_finished(path: pathlib.Path) -> InputError:
    return InputError(
        f"The clustering in {path} is not finished. Finish it with python -m "
        "and_tf.cluster --resume."
    )
