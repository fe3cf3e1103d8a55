"""All that can be had of a run, finished or not, with its data or without."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np

from and_tf.data.split import Split
from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.knn import Knn
from and_tf.evaluation.run_knn import RunKnn
from and_tf.training import trained
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import rounds_of
from and_tf.training.run_directory import RunDirectory
from and_tf.training.trained import Trained
from and_tf.utils import checkpoint_names, records
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

COUNTS = ("epoch", "round", "anchors")  # The others are no whole numbers.


@dataclasses.dataclass(frozen=True)
class ReportedRun:
    """A run as its page sees it.

    Attributes:
        directory: The run's.
        config: Its flags.
        checkpoint: What is evaluated; None where none can be read.
        result: The content of result.json, None of a run that is not
            finished.
        trained: With data and model; None where they cannot be had.
        missing: Why not, in a sentence; "" where they are there.
        evaluates: Whether the encoder may be asked.
        which: The checkpoint, as it was asked for.
    """

    directory: RunDirectory
    config: TrainConfig
    checkpoint: Checkpoint | None
    result: dict[str, Any] | None
    trained: Trained | None
    missing: str
    evaluates: bool
    which: str = checkpoint_names.LAST

    @property
    def name(self) -> str:
        """What it is called, in a word or two."""
        return f"{self.config.backbone} on {self.config.dataset}"

    @functools.cached_property
    def history(self) -> list[dict[str, Any]]:
        """A dict an epoch, of all that were finished."""
        history = read_metrics(self.directory)
        if not history and self.checkpoint:
            return self.checkpoint.notes["history"]
        return history

    @property
    def epochs(self) -> int:
        """After how many the run is evaluated here."""
        return self.checkpoint.epochs if self.checkpoint else len(self.history)

    @property
    def step(self) -> int:
        """Steps of the next epoch that it is evaluated after, too."""
        return self.checkpoint.step if self.checkpoint else 0

    @property
    def moment(self) -> str:
        """The same in words."""
        return checkpoint_names.moment(self.epochs, self.step)

    @property
    def epochs_planned(self) -> int:
        """As many as the run has when it is finished."""
        return rounds_of(self.config).epochs

    @property
    def baselines(self) -> dict[str, float]:
        """kNN top-1 of what training has to beat, by name."""
        if self.result:
            return self.result["knn_baselines"]
        return self.checkpoint.notes["baselines"]

    @property
    def num_examples(self) -> int:
        """N."""
        if self.result:
            return self.result["num_examples"]
        return self.checkpoint.notes["num_examples"]

    @property
    def has_labels(self) -> bool:
        """Whether images of the run are known to have any."""
        if self.trained is None:
            return any("knn_clean" in row for row in self.history)
        return self.trained.images.train.has_labels

    @property
    def knn_is_possible(self) -> bool:
        """Whether queries and gallery have labels."""
        return self._knn is not None and self._knn.possible

    @property
    def knn_protocol(self) -> dict[str, Any] | None:
        """What figures of kNN have to be read with, where it is known."""
        if self.result:
            return self.result["knn_protocol"]
        return self._knn.protocol if self._knn else None

    @functools.cached_property
    def votes(self) -> Knn | None:
        """On the queries; None where the encoder, or labels, are missing.

        Of the training images' clean embeddings, as a run's last figure has
        them.
        """
        if not (self.evaluates and self.knn_is_possible):
            return None
        return self._knn.classify(
            self.trained.query_embeddings, self.trained.train_embeddings
        )

    @functools.cached_property
    def _knn(self) -> RunKnn | None:
        """With the run's own K and τ; None without its images."""
        if self.trained is None:
            return None
        return RunKnn(
            self.trained.images,
            self.trained.image_size,
            self.config.knn_neighbours,
            self.config.knn_temperature,
        )

    def evaluation(self, protocol: str) -> dict[str, Any] | None:
        """A protocol's figures, None where it was not evaluated."""
        return self.directory.evaluations(self.which).get(protocol)

    def picture(self, name: str) -> pathlib.Path:
        """Where a protocol has put a picture of this checkpoint."""
        return self.directory.picture(name, self.which)


class _Watched(Trained):
    """A run that shows how far its embeddings are."""

    @functools.cached_property
    def train_embeddings(self) -> np.ndarray:
        """Of the training images' clean views, float32 [N, D]."""
        return self._embed(self.images.train)

    @functools.cached_property
    def query_embeddings(self) -> np.ndarray:
        """Of the test images, or else the training images, float32 [Q, D]."""
        if self.images.test is None:
            return self.train_embeddings
        return self._embed(self.images.test)

    def _embed(self, split: Split) -> np.ndarray:
        with Counted(f"embed {split.name}", split.size) as progress:
            return embed(self.model, split, self.image_size, progress.advance)


def load(
    path: pathlib.Path,
    data_dir: str = "",
    which: str = "last",
    evaluates: bool = True,
) -> ReportedRun:
    """Loads what is there of a run.

    Args:
        path: The run's directory.
        data_dir: Where its data lie now; empty where they lay in training.
        which: The checkpoint, as `trained.load` takes it.
        evaluates: Whether the encoder may be asked.

    Raises:
        InputError: If it is no run, or has neither result nor checkpoint, or
            not the checkpoint that was asked for.
    """
    directory = RunDirectory(path)
    config, result = directory.config(), directory.read_result()
    loaded, checkpoint, missing = None, None, ""
    try:
        loaded = trained.load(path, data_dir, which)
    except InputError as error:
        missing = str(error)
    if loaded is not None:
        checkpoint = loaded.checkpoint
        fields = dataclasses.fields(Trained)
        loaded = _Watched(*(getattr(loaded, f.name) for f in fields))
    else:
        checkpoint = _checkpoint(path, which, result is not None)
    return ReportedRun(
        directory, config, checkpoint, result, loaded, missing, evaluates,
        which,
    )  # fmt: skip


def _checkpoint(
    path: pathlib.Path, which: str, finished: bool
) -> Checkpoint | None:
    """The checkpoint of a run whose data cannot be had.

    A finished run that has none any more still has its figures.
    """
    try:
        return trained.load_encoder(path, which).checkpoint
    except InputError:
        if finished and which == "last":
            return None
        raise


def read_metrics(directory: RunDirectory) -> list[dict[str, Any]]:
    """The rows of metrics.csv; what is empty there is left out."""
    if not directory.metrics.is_file():
        return []
    return records.read_table(
        directory.metrics,
        COUNTS,
        "epoch",
        "Training with --resume, which has no epoch left to do, writes it "
        "again.",
    )
