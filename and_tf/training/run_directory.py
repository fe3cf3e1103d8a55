"""Reads and writes a run's directory, and keeps other processes out of it."""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import io
import os
import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from and_tf import storage
from and_tf.encoders import saved_models
from and_tf.method.discovery import Neighbourhoods
from and_tf.training import result_file
from and_tf.training.checkpoint import Checkpoint, Checkpoints
from and_tf.training.config import TrainConfig
from and_tf.utils import (
    archives,
    atomic_files,
    bounds,
    flag_config,
    locks,
    records,
    temporary_files,
)
from and_tf.utils.checkpoint_names import LAST
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import RunConfig

COLUMNS = (
    "epoch",
    "round",
    "loss",
    "accuracy",
    "cosine",
    "and_loss",
    "teacher_loss",
    "learning_rate",
    "images_per_second",
    "seconds",
    "anchors",
    "consistency",
    "consistency_all",
    "knn_bank",
    "knn_clean",
    "knn_clean_top5",
    "knn_learnt",  # knn_clean before the head was whitened, at the end.
)
_COUNTS = ("epoch", "round", "anchors")  # The others are floats.
_NEIGHBOURHOODS = {
    "entropy": ("f", 1),
    "neighbours": ("iu", 2),
    "selected": ("b", 1),
}
Config = TypeVar("Config", bound=RunConfig)
VERSIONS = ("tensorflow", "keras", "keras-cv", "tensorflow-datasets", "numpy")


class OutputDirectory(Generic[Config]):
    """The directory of a run: flags.cfg, metrics.csv, checkpoints/, …

    If it stands for a URL, it is a working copy of what lies there. What has
    changed there comes here first; what is written here is sent with each
    checkpoint, with each evaluation and at the end.

    Args:
        path: The directory; it need not exist.

    Attributes:
        config_class: The class of the run's flags.
        columns: The columns of metrics.csv.
        flag: The flag that names the directory on a command line.
        command: The command that makes such a directory.
    """

    config_class: type[Config]
    columns: tuple[str, ...]
    flag: str
    command: str

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._copy = storage.WorkingCopy.of(path)
        self._is_written = False  # Here, to the store as well.
        if self._copy:
            self._copy.pull()
        self.checkpoints = Checkpoints(path / "checkpoints", self._tell)
        self.flagfile = path / "flags.cfg"
        self.result = path / "result.json"
        self.metrics = path / "metrics.csv"
        self.tensorboard = path / "tensorboard"
        self.neighbourhoods = path / "neighbourhoods"
        self.curves = path / "curves.png"
        self.teacher = path / "teacher"

    def gallery(self, round_number: int) -> pathlib.Path:
        """Returns the path of the picture of a round's neighbourhoods.

        Args:
            round_number: The round; 0 for the neighbours of a run without
                epochs, see `start_neighbours`.
        """
        if not round_number:
            return self.path / "neighbours.png"
        return self.path / f"neighbourhoods_round_{round_number}.png"

    def claim(self, config: RunConfig) -> Checkpoint | None:
        """Claims the directory for a new run, or for a run to be resumed.

        Args:
            config: The flags of the run.

        Returns:
            The checkpoint to continue from; None if there is none.

        Raises:
            InputError: If the directory holds a run that `config` does not
                resume, a run with other flags, or other files.
        """
        found = self._claim(config)
        if self._copy:
            self._copy.take_over()
            self._copy.push()
            self._is_written = True
        return found

    def _claim(self, config: RunConfig) -> Checkpoint | None:
        self._check_path()
        there = set(self.path.iterdir()) if self.path.is_dir() else set()
        # A run that failed before its first step, for example for lack of its
        # images, leaves only its flags, and the copy of a SavedModel that its
        # encoder is: there is nothing to resume or to lose.
        copies = set(self.path.glob(f"{saved_models.KEPT}*"))
        left = {self.flagfile, *copies} if self.flagfile in there else set()
        if there - left:
            if self.flagfile in there:
                return self._take_up(config)
            raise InputError(
                f"Expected a new directory, or that of a run, for {self.flag}. "
                f"Received: {self.path}, which holds something else."
            )
        for copy in copies:  # The new run's may be another.
            shutil.rmtree(copy)
        atomic_files.write_text(self.flagfile, config.to_flagfile())
        return None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes from training in the directory in a block.

        The lock belongs to the operating system and ends with the process, even
        if that is killed.

        Raises:
            InputError: If another process trains there, or the directory
                cannot be made.
        """
        self._check_path()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise InputError(
                f"Expected a directory that can be made for {self.flag}. "
                f"Received: {self.path}: {error.strerror}."
            ) from error
        try:
            if locks.is_free(descriptor) is False:
                raise InputError(
                    f"Another process is already writing to {self.path}. Wait "
                    f"for it to end, or name another {self.flag}."
                )
            with self._sent():
                yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _sent(self) -> Iterator[None]:
        """Sends what a block has written to the store, even if it fails."""
        if self._copy:
            self._copy.pull()
        try:
            yield
        except BaseException:
            with contextlib.suppress(InputError):  # The first one counts.
                self._tell()
            raise
        if self._copy and self._is_written:
            self._copy.push()
            print(f"sent to {self._copy.url}")

    def _tell(self) -> None:
        """Sends a checkpoint; a store that is not there ends no training."""
        if self._copy and self._is_written:
            self._copy.push_or_tell()

    def _check_path(self) -> None:
        try:
            str(self.path).encode()
            is_file = self.path.exists() and not self.path.is_dir()
        except (OSError, UnicodeError) as error:
            # TensorFlow's writers accept only names in UTF-8.
            why = getattr(error, "strerror", None) or "its name is no UTF-8"
            raise InputError(
                f"Expected a directory that can be made for {self.flag}. "
                f"Received: {self.path}: {why}. Name another."
            ) from error
        if is_file:
            raise InputError(
                f"Expected a directory for {self.flag}. Received the file "
                f"{self.path}."
            )

    def _take_up(self, config: RunConfig) -> Checkpoint | None:
        before = self.config()
        if not config.resume:
            raise InputError(
                f"Expected a new {self.flag}. Received: {self.path}, which "
                f"holds a run of {before.title}. Add --resume to continue it, "
                "or name another."
            )
        names = config.differences(before)
        if names:
            differences = ", ".join(
                f"{name} {getattr(before, name)!r} (now "
                f"{getattr(config, name)!r})"
                for name in names
            )
            raise InputError(
                f"The run in {self.path} can be resumed only with the flags "
                f"that it began with. It has {differences}. Use these, or name "
                f"another {self.flag}."
            )
        atomic_files.write_text(self.flagfile, config.to_flagfile())
        temporary_files.sweep(self.path)
        return self.checkpoints.latest()

    def config(self) -> Config:
        """Returns the config that the run was made with.

        Raises:
            InputError: If this is not the directory of a run.
        """
        if not self.flagfile.is_file():
            raise InputError(
                f"Expected the directory of a run, with flags.cfg in it. "
                f"Received: {self.path}, which has none. Train one with "
                f"{self.command}"
            )
        return flag_config.from_run(self.config_class, self.flagfile)

    def write_metrics(self, history: list[dict]) -> None:
        """Writes metrics.csv, one row for each epoch."""
        text = io.StringIO()
        rows = csv.DictWriter(
            text, self.columns, extrasaction="ignore", lineterminator="\n"
        )
        rows.writeheader()
        rows.writerows(history)
        atomic_files.write_text(self.metrics, text.getvalue())

    def read_metrics(self) -> list[dict[str, Any]]:
        """Reads the rows of metrics.csv, without empty cells."""
        if not self.metrics.is_file():
            return []
        return records.read_table(
            self.metrics,
            _COUNTS,
            "epoch",
            "Training with --resume, which has no epoch left to do, writes it "
            "again.",
        )

    def read_result(self) -> dict[str, Any] | None:
        """Reads result.json; returns None if the run is not finished."""
        return result_file.read_finished(self.result)

    def picture(self, name: str, which: str = LAST) -> pathlib.Path:
        """Returns the path of a protocol's picture of a checkpoint.

        Args:
            name: The name of the picture, without a suffix.
            which: The checkpoint, see `checkpoint_names.round_of`.
        """
        of = "" if which == LAST else f"_{which}"
        return self.path / f"{name}{of}.png"

    def evaluations(self, which: str = LAST) -> dict[str, dict[str, Any]]:
        """Reads the figures of all protocols for a checkpoint, by protocol.

        Args:
            which: The checkpoint, see `checkpoint_names.round_of`.
        """
        return result_file.evaluations(self.result, which)

    def add_evaluation(
        self, protocol: str, figures: dict[str, Any], which: str = LAST
    ) -> None:
        """Adds a protocol's figures to result.json, see `result_file.add`."""
        if self._copy:  # Others may have added theirs.
            self._copy.pull(self.result.name)
        result_file.add(self.result, protocol, figures, which)
        if self._copy:
            self._copy.push()

    def write_result(self, result: dict[str, Any]) -> None:
        """Writes result.json at the end of a run, see `result_file.write`."""
        if self._copy:
            with contextlib.suppress(InputError):  # It is sent later, or told.
                self._copy.pull(self.result.name)
        result_file.write(self.result, result)

    def write_neighbourhoods(self, found: Neighbourhoods) -> None:
        """Writes neighbourhoods/round_<r>.npz."""
        atomic_files.write(
            self.neighbourhoods / f"round_{found.round}.npz",
            lambda file: np.savez_compressed(
                file,
                neighbours=found.neighbours,
                entropy=found.entropy,
                selected=found.is_anchor,
            ),
        )

    def last_discovery(self) -> int | None:
        """Returns the last round whose neighbourhoods were written, or None.

        It is 0 for a run without epochs, which finds neighbours at its end.
        """
        return max(self.discoveries(), default=None)

    def discoveries(self) -> list[int]:
        """Returns the rounds whose neighbourhoods were written, in order.

        Files with other names, such as "round_2 (copy).npz", are ignored.
        """
        found = (
            re.fullmatch(r"round_([0-9]+)\.npz", path.name)
            for path in self.neighbourhoods.glob("round_*.npz")
            if path.is_file()
        )
        numbers = [int(one[1]) for one in found if one]
        return sorted(n for n in numbers if n <= bounds.EPOCHS)

    def read_neighbourhoods(self, round_number: int) -> Neighbourhoods:
        """Reads neighbourhoods/round_<r>.npz.

        Raises:
            InputError: If the file is missing or damaged.
        """
        path = self.neighbourhoods / f"round_{round_number}.npz"
        try:
            arrays = archives.read(path, _NEIGHBOURHOODS)
            if len(set(map(len, arrays))) > 1:
                raise ValueError("its arrays are of different lengths")
            archives.check_rows(len(arrays[0]), arrays[1])
        except archives.DAMAGE as error:
            raise InputError(
                f"Expected the neighbourhoods of round {round_number}. "
                f"Received: {path}, which cannot be read "
                f"({archives.why(error)}). Remove it to go on without it."
            ) from error
        entropy, neighbours, selected = arrays
        return Neighbourhoods(round_number, entropy, neighbours, selected)


class RunDirectory(OutputDirectory[TrainConfig]):
    """The directory of a training; see `OutputDirectory`."""

    config_class = TrainConfig
    columns = COLUMNS
    flag = "--run_dir"
    command = "python -m and_tf.train --run_dir=…"


def versions() -> dict[str, str]:
    """Returns the versions of the packages that a run's numbers depend on.

    A package that is not installed is left out.
    """
    found = {}
    for name in VERSIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
