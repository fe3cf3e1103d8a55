"""Defines the flags with which commands open a trained run."""

from __future__ import annotations

import dataclasses
import pathlib

from and_tf import storage
from and_tf.training.flags.loop import LoopConfig
from and_tf.utils import checkpoint_names
from and_tf.utils.flag_config import FlagConfig, Group, option


@dataclasses.dataclass(frozen=True)
class RunFlags(FlagConfig):
    """The flags that name a run, one of its checkpoints, and its data."""

    run_dir: str = option(
        Group.RUN,
        "",
        "Directory of the run to use.",
        required="the directory of a run",
        path=True,
        urls=True,
    )
    checkpoint: str = option(
        Group.RUN,
        checkpoint_names.LAST,
        "Checkpoint of the run to use: last; best, the epoch with the best "
        "kNN figure in the memory bank, so chosen with test labels; or "
        "round_<r>, the end of round r, where round_0 is instance learning.",
    )
    data_dir: str = option(
        Group.RUN,
        "",
        "Directory of the run's data set. If empty, it is where the data set "
        "was in training.",
        path=True,
        urls=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        checkpoint_names.round_of(self.checkpoint)  # Refuses bad names.

    @property
    def run_directory(self) -> pathlib.Path:
        """The run's directory as a path."""
        return storage.place(self.run_dir)


@dataclasses.dataclass(frozen=True)
class OnRunConfig(LoopConfig):
    """The flags of a command that trains further on an earlier run."""

    run_dir: str = option(
        Group.RUN,
        "",
        "Directory of the run of and_tf.train whose encoder and images are "
        "used.",
        required="the directory of a run of python -m and_tf.train",
        free=True,
        path=True,
        urls=True,
    )
    checkpoint: str = option(
        Group.RUN,
        checkpoint_names.LAST,
        "Checkpoint of the run to begin with: last; best, the epoch with the "
        "best kNN figure, so chosen with test labels; or round_<r>, the end of "
        "round r, where round_0 is instance learning.",
    )
    data_dir: str = option(
        Group.DATA,
        "",
        "Directory of the run's data set. If empty, it is where the data set "
        "was in training.",
        free=True,
        path=True,
        urls=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        checkpoint_names.round_of(self.checkpoint)  # Refuses bad names.
