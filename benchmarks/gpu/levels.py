"""Train to the paper's own lengths: AND, and instance learning alone.

A level is a sweep over --selection. Each training has a process of its own, the
same command goes on after an interruption, and both selections share their
instance learning, since until the first discovery they do the same steps.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import Any

from and_tf.sweeping import grid
from and_tf.sweeping.grid import SweepRun
from and_tf.training.config import TrainConfig
from benchmarks import commands, paper
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.trial import read_metrics
from benchmarks.harness.programs import Launcher

SELECTIONS = ["curriculum", "none"]  # AND, and instance learning alone.
_TINY_EPOCHS = 1


@dataclasses.dataclass(frozen=True)
class Level:
    """Describes trainings that are as long as the paper's.

    Attributes:
        name: Its value of the flag --level.
        row_id: The paper's row, in benchmarks/paper_rows.json. Its command
            says how long is trained.
        seeds: How many, from 0 on.
    """

    name: str
    row_id: str
    seeds: int

    @functools.cached_property
    def row(self) -> dict[str, Any]:
        """Return the paper's row."""
        return paper.paper_row(self.row_id)

    @functools.cached_property
    def recipe(self) -> TrainConfig:
        """Return the config of the paper's row."""
        return commands.config_of(self.row["command"])

    @property
    def file_name(self) -> str:
        """Return the name of the result file of its runs."""
        return f"gpu_{self.name}"


LEVELS = {
    level.name: level
    for level in (
        Level("published", "epochs/50", seeds=1),
        Level("paper", "epochs/200", seeds=3),
    )
}
SMOKE = "smoke"
NAMES = (SMOKE, *LEVELS)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Holds the trainings of a level in one directory.

    Args:
        level: Which.
        setting: On what, and how large.
        place: The directory.
    """

    level: Level
    setting: Setting
    place: pathlib.Path

    @property
    def rounds(self) -> int:
        """Return R."""
        return 1 if self.setting.tiny else self.level.recipe.rounds

    @property
    def epochs_per_round(self) -> int:
        """Return the epochs of a round, and of instance learning."""
        if self.setting.tiny:
            return _TINY_EPOCHS
        return self.level.recipe.epochs_per_round

    @property
    def seeds(self) -> int:
        """Return how many seeds each selection has."""
        return 1 if self.setting.tiny else self.level.seeds

    @property
    def flags(self) -> list[str]:
        """Return the flags of `and_tf.train` that all have."""
        return [
            *self.setting.flags(),
            f"--rounds={self.rounds}",
            f"--epochs_per_round={self.epochs_per_round}",
            "--initial_epochs=-1",
            "--keep_rounds",
        ]

    @property
    def runs(self) -> list[SweepRun]:
        """Return all trainings, a seed after the other, AND first."""
        command = f"python -m and_tf.train {' '.join(self.flags)}"
        base = commands.config_of(command)
        vary = {"selection": SELECTIONS}
        return grid.runs_of(base, vary, self.seeds, self.place)

    @property
    def runs_left(self) -> list[SweepRun]:
        """Return those that have not come to their end."""
        return [r for r in self.runs if not (r.path / "result.json").is_file()]

    @property
    def epochs_left(self) -> int:
        """Return how many are still to be trained."""
        each, left = self.epochs_per_round, 0
        for run in self.runs:
            trained = len(read_metrics(run.path))
            if run.config.selection != SELECTIONS[0]:  # It takes these over.
                trained = max(trained, each)
            left += (1 + self.rounds) * each - trained
        return left

    def train(self, launcher: Launcher) -> None:
        """Train whatever is not done.

        Args:
            launcher: Starts the sweep.

        Raises:
            Failed: If a training ends with an error.
            Interrupted: If it was asked to end.
        """
        devices = self.setting.devices
        own = [f"--gpus_per_run={devices}"] if devices > 1 else []
        launcher.run(
            [
                "-m",
                "and_tf.sweep",
                *self.flags,
                f"--vary=selection={','.join(SELECTIONS)}",
                f"--seeds={self.seeds}",
                f"--sweep_dir={self.place}",
                *own,
            ]
        )
