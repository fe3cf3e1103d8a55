"""Opens a trained run, to evaluate, report, cluster or export it."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
from typing import Any

import keras
import numpy as np

from and_tf import encoders, storage
from and_tf.data.pixel_format import PixelFormat
from and_tf.data.split import ImageData, Split
from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.knn import Knn
from and_tf.evaluation.run_knn import RunKnn
from and_tf.method.encoder_model import Pretext
from and_tf.training import restore, sources, trainer
from and_tf.training.checkpoint import Checkpoint, best_epochs
from and_tf.training.config import TrainConfig
from and_tf.training.experiment import rounds_of
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import checkpoint_names
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted


class Run:
    """A run, finished or not, whose parts load when they are first used.

    The checkpoint, the encoder, the images, the model and the embeddings are
    loaded once and kept. Each raises an `InputError` if it cannot be loaded;
    `missing` says beforehand whether the images or the model cannot.

    Args:
        path: The run's directory, or its URL in an object store.
        which: The checkpoint: "last", "best" or "round_<r>", see
            `checkpoint_names.round_of`.
        data_dir: The directory of the data set. If empty, it is the one that
            the run was trained with.
        memory_gib: The largest split, in GiB of decoded pixels, that is held
            in memory; None takes the value that the run was trained with.
        evaluates: Whether `votes` may compute embeddings.

    Attributes:
        directory: The run's directory, as a `RunDirectory`.
        config: The run's flags, as a `TrainConfig`.
        which: The name of the checkpoint, as given.
        data_dir: The directory of the data set, as given.
        evaluates: Whether `votes` may compute embeddings.

    Raises:
        InputError: If `path` holds no run, or `which` names no checkpoint.

    Examples:
        >>> import numpy as np
        >>> import and_tf
        >>> run = and_tf.Run("runs/digits")
        >>> images = np.zeros((2, run.image_size, run.image_size, 3), np.uint8)
        >>> embeddings = run.encoder.predict(images, verbose=0)
        >>> embeddings.shape == (2, run.embedding_dim)
        True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        which: str = checkpoint_names.LAST,
        data_dir: str = "",
        memory_gib: float | None = None,
        evaluates: bool = True,
    ) -> None:
        self._round = checkpoint_names.round_of(which)
        self.which = which
        self.evaluates = evaluates
        self.directory = RunDirectory(storage.place(path))
        self.config: TrainConfig = self.directory.config()
        self.data_dir = data_dir
        if memory_gib is not None:
            self.config = dataclasses.replace(
                self.config, memory_gib=memory_gib
            )

    @property
    def name(self) -> str:
        """The encoder and the data set, as a text for people."""
        return f"{self.config.encoder} on {self.config.dataset}"

    @functools.cached_property
    def result(self) -> dict[str, Any] | None:
        """The content of result.json; None if the run is not finished."""
        return self.directory.read_result()

    @functools.cached_property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that `which` names, read whole.

        Raises:
            InputError: If the checkpoint is missing or damaged.
        """
        checkpoints = self.directory.checkpoints
        found = checkpoints.latest()
        if found is None:
            received = "none: the run has not finished an epoch"
            if checkpoints.paths():
                received = "only damaged ones: train the run again"
            raise InputError(
                f"Expected a checkpoint in {checkpoints.directory}. "
                f"Received {received}."
            )
        if self.which == checkpoint_names.BEST:
            epochs = best_epochs(found.metadata["history"])
            if not epochs:
                raise InputError(
                    "Expected a run that was evaluated in its memory bank for "
                    "--checkpoint=best, the epoch that was best there. "
                    f"Received {self.directory.path}, which has no such "
                    "figure, as it needs a bank, labels and a test split. Use "
                    "--checkpoint=last, or that of a round."
                )
            return checkpoints.best(epochs)
        if self._round is not None:
            return checkpoints.of_round(self._round, rounds_of(self.config))
        return found

    @functools.cached_property
    def kept(self) -> Checkpoint | None:
        """The checkpoint, or None if a finished run no longer has it.

        Such a run still has its figures.

        Raises:
            InputError: If the checkpoint cannot be read, and the run is not
                finished or `which` is not "last".
        """
        try:
            return self.checkpoint
        except InputError:
            if self.result is None or self.which != checkpoint_names.LAST:
                raise
            return None

    @property
    def built_from(self) -> dict[str, Any]:
        """The arguments with which `encoders.build` made the encoder."""
        return sources.located(
            self.checkpoint.metadata["encoder"], self.directory
        )

    @property
    def image_size(self) -> int:
        """S, the side of the images that the encoder sees, in pixels."""
        return self.built_from["image_size"]

    @property
    def view_size(self) -> int:
        """The side of the views that the encoder was trained on, in pixels."""
        return self.config.view_size or self.image_size

    @property
    def embedding_dim(self) -> int:
        """D, the number of dimensions of an embedding."""
        return self.built_from["embedding_dim"]

    @functools.cached_property
    def encoder(self) -> keras.Model:
        """The restored encoder, in float32, which needs no data.

        It maps uint8 or float32 [B, S, S, C], values 0..255, to float32
        [B, D] of unit norm.
        """
        encoder = encoders.build(**self.built_from)
        self.checkpoint.restore("encoder", encoder.variables)
        return encoder

    @functools.cached_property
    def images(self) -> ImageData:
        """The images that the run was trained on, and its test images."""
        config = self.config
        if self.data_dir:
            config = dataclasses.replace(config, data_dir=self.data_dir)
        return trainer.load_images(config, self.image_size, self.form)

    @property
    def form(self) -> PixelFormat:
        """The channels of the images, and what their values mean."""
        return PixelFormat.of(self.built_from)

    @property
    def queries(self) -> Split:
        """The test images, or the training images where there are none."""
        return self.images.test or self.images.train

    @functools.cached_property
    def model(self) -> Pretext:
        """The restored model, without the state of its optimiser.

        Its memory bank is restored only if the checkpoint holds one.
        """
        model = trainer.build_model(self.config, self.images, self.built_from)
        groups = [g for g in ("encoder", "method") if self.checkpoint.has(g)]
        restore.restore(model, self.checkpoint, self.images, groups)
        return model

    def prepared(self) -> Run:
        """Loads the images and the model now, and returns this run.

        Raises:
            InputError: If one of them cannot be loaded.
        """
        _ = self.model
        return self

    @functools.cached_property
    def missing(self) -> str:
        """The error that the images or the model raise; "" if both load."""
        try:
            self.prepared()
        except InputError as error:
            return str(error)
        return ""

    @property
    def has_bank(self) -> bool:
        """Returns whether the checkpoint was written with a memory bank."""
        return self.config.has_bank and self.checkpoint.has("method")

    def bank_rows(self) -> np.ndarray:
        """Returns the memory bank, float32 [N, D]: row i is training image i.

        Raises:
            InputError: If the run or the checkpoint has no memory bank.
        """
        if not self.config.has_bank:
            raise InputError(
                "Expected a run with a memory bank, for --gallery=bank. "
                f"Received {self.directory.path}, which was trained with "
                f"--pretext={self.config.pretext}. Use --gallery=clean."
            )
        return self.checkpoint.array("method", "rows")

    @functools.cached_property
    def train_embeddings(self) -> np.ndarray:
        """The embeddings of the clean training images, float32 [N, D]."""
        config = self.config.resolved
        # A run without epochs has computed them to fill its memory bank.
        if (
            not self.epochs_planned
            and self.has_bank
            and config.bank_initialiser == "encoder"
            and config.precision == "float32"
        ):
            return self.bank_rows()
        return self._embed(self.images.train)

    @functools.cached_property
    def query_embeddings(self) -> np.ndarray:
        """The embeddings of the clean queries, float32 [Q, D]."""
        if self.images.test is None:
            return self.train_embeddings
        return self._embed(self.images.test)

    def _embed(self, split: Split) -> np.ndarray:
        with Counted(f"embed {split.name}", split.size) as progress:
            return embed(self.model, split, self.image_size, progress.advance)

    @functools.cached_property
    def knn(self) -> RunKnn:
        """The kNN evaluation with the run's own K and τ."""
        return RunKnn(
            self.images,
            self.image_size,
            self.config.knn_neighbours,
            self.config.knn_temperature,
        )

    @functools.cached_property
    def votes(self) -> Knn | None:
        """The kNN of the queries among the embeddings of training images.

        It is None if `evaluates` is False, or if the model, the images or
        their labels are missing.
        """
        if not self.evaluates or self.missing or not self.knn.possible:
            return None
        return self.knn.classify(self.query_embeddings, self.train_embeddings)

    @functools.cached_property
    def history(self) -> list[dict[str, Any]]:
        """The logs of the finished epochs, one dict for each."""
        rows = self.directory.read_metrics()
        return rows or self.checkpoint.metadata["history"]

    @property
    def epochs(self) -> int:
        """The number of finished epochs at the checkpoint."""
        return self.kept.epochs if self.kept else len(self.history)

    @property
    def step(self) -> int:
        """The number of steps done in the next epoch at the checkpoint."""
        return self.kept.step if self.kept else 0

    @property
    def moment(self) -> str:
        """The progress of the run at the checkpoint, such as "5 epochs"."""
        return checkpoint_names.moment(self.epochs, self.step)

    @property
    def epochs_planned(self) -> int:
        """The number of epochs that the run has when it is finished."""
        return rounds_of(self.config).epochs

    @property
    def baselines(self) -> dict[str, float]:
        """The kNN top-1 accuracies of the baselines (fractions), by name."""
        if self.result:
            return self.result["knn_baselines"]
        return self.checkpoint.metadata["baselines"]

    @property
    def teacher(self) -> dict[str, Any] | None:
        """The encoder that was learnt from; None if there was none."""
        if self.result:
            return self.result.get("teacher")
        return self.checkpoint.metadata.get("teacher")

    @property
    def pretrained(self) -> dict[str, Any] | None:
        """The origin of the first weights; None if they were random."""
        return (self.result or self.checkpoint.metadata).get("pretrained")

    @property
    def start_top1(self) -> float | None:
        """The kNN top-1 accuracy of a run without epochs, as a fraction.

        It is None for other runs, and where there are no labels.
        """
        if self.epochs_planned or self.result is None:
            return None
        return self.result["knn_top1_last"]

    @property
    def num_examples(self) -> int:
        """N, the number of training images."""
        return (self.result or self.checkpoint.metadata)["num_examples"]

    @property
    def has_labels(self) -> bool:
        """Returns whether the training images are known to have labels."""
        if self.missing:
            evaluated = any("knn_clean" in row for row in self.history)
            return evaluated or self.start_top1 is not None
        return self.images.train.has_labels

    @property
    def knn_protocol(self) -> dict[str, Any] | None:
        """The protocol of the kNN figures; None if it is not known."""
        if self.result:
            return self.result["knn_protocol"]
        return None if self.missing else self.knn.protocol

    def evaluation(self, protocol: str) -> dict[str, Any] | None:
        """Returns a protocol's figures; None if it was not evaluated."""
        return self.directory.evaluations(self.which).get(protocol)

    def moment_of(self, protocol: str) -> str | None:
        """Returns the run's progress at a protocol's figures, or None."""
        figures = self.evaluation(protocol)
        if figures is None:
            return None
        done = figures.get("epochs", 0), figures.get("step", 0)
        return checkpoint_names.moment(*done)

    def picture(self, name: str) -> pathlib.Path:
        """Returns the path of a protocol's picture of this checkpoint."""
        return self.directory.picture(name, self.which)


def of_same_images(
    path: str, train: Split, flag: str, data_dir: str = ""
) -> Run:
    """Opens another run of the same training images in the same order.

    Args:
        path: The directory of that run, or its URL in an object store.
        train: The training images. They are compared by their number and
            their labels.
        flag: The flag that gave the path, for errors.
        data_dir: See `Run`.

    Raises:
        InputError: If there is no run, or it has other images.
    """
    other = Run(path, data_dir=data_dir)
    there = other.images.train
    if not (
        train.size == there.size and np.array_equal(train.labels, there.labels)
    ):
        raise InputError(
            f"Expected a run of the same training images for {flag}. Received "
            f"{path}, which has {there.name} of {there.size:,} images, and not "
            f"{train.name} of {train.size:,}."
        )
    return other
