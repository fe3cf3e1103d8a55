"""The levels that train to the paper's own lengths, and their runs."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from and_tf.training import config as configs
from and_tf.training.config import TrainConfig
from benchmarks import commands, result_files
from benchmarks.gpu.process import Launcher
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.trial import read_metrics

AND, NONE = "curriculum", "none"
_TINY_EPOCHS = 1


@dataclasses.dataclass(frozen=True)
class Level:
    """AND and instance learning at equal cost, as long as the paper trains.

    Attributes:
        name: Of the flag --level.
        row_id: The paper's row, in benchmarks/paper_rows.json. Its command
            says how long is trained.
        seeds: How many, from 0 on.
    """

    name: str
    row_id: str
    seeds: int

    @functools.cached_property
    def row(self) -> dict[str, Any]:
        """The paper's row."""
        rows = result_files.paper_rows()
        return next(row for row in rows if row["id"] == self.row_id)

    @functools.cached_property
    def recipe(self) -> TrainConfig:
        """The config of the paper's row."""
        return commands.config_of(self.row["command"])


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
    """The trainings of a level in one directory.

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
        """R."""
        return 1 if self.setting.tiny else self.level.recipe.rounds

    @property
    def epochs_per_round(self) -> int:
        """Epochs of a round, and of instance learning before the first."""
        if self.setting.tiny:
            return _TINY_EPOCHS
        return self.level.recipe.epochs_per_round

    @property
    def runs(self) -> list[Run]:
        """All of them, a seed after the other, AND first."""
        seeds = 1 if self.setting.tiny else self.level.seeds
        return [
            Run(self, selection, seed)
            for seed in range(seeds)
            for selection in (AND, NONE)
        ]

    @property
    def epochs_left(self) -> int:
        """Returns how many are still to be trained."""
        return sum(run.epochs_left for run in self.runs)

    def train(self, launcher: Launcher) -> None:
        """Trains whatever is not done.

        Args:
            launcher: Starts the processes.

        Raises:
            Failed: If a training ends with an error.
            Interrupted: If it was asked to end.
        """
        for number, run in enumerate(self.runs, start=1):
            done = "done before" if run.done else f"in {run.path}"
            count = f"{number}/{len(self.runs)}"
            print(f"\n{count}  {run.title}: {done}", flush=True)
            if not run.done:
                launcher.run(["-m", "and_tf.train", *run.flags])


@dataclasses.dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        plan: What it is part of.
        selection: The flag.
        seed: The flag.
    """

    plan: Plan
    selection: str
    seed: int

    @property
    def title(self) -> str:
        """Returns what people read."""
        what = "AND" if self.selection == AND else "instance learning alone"
        return f"{what}, seed {self.seed}"

    @property
    def path(self) -> pathlib.Path:
        """Its directory, named as those of a sweep over --selection are."""
        name = f"selection={self.selection}"
        return self.plan.place / name / f"seed_{self.seed}"

    @property
    def done(self) -> bool:
        """Returns whether it has come to its end."""
        return (self.path / "result.json").is_file()

    def config(self) -> TrainConfig:
        """Reads the flags that it was trained with.

        Raises:
            InputError: If it was not begun.
        """
        return configs.from_flagfile(TrainConfig, self.path / "flags.cfg")

    @property
    def shared(self) -> Run | None:
        """The run whose instance learning this one takes over, if any.

        Until the first discovery both selections do the same steps, so that
        the second one would only repeat them.
        """
        if self.selection == AND:
            return None
        return dataclasses.replace(self, selection=AND)

    @property
    def epochs_left(self) -> int:
        """Returns how many are left to train once the runs before are done."""
        each = self.plan.epochs_per_round
        trained = len(read_metrics(self.path))
        if self.shared:
            trained = max(trained, each)
        return (1 + self.plan.rounds) * each - trained

    @property
    def flags(self) -> Sequence[str]:
        """The flags of `and_tf.train`."""
        plan = self.plan
        flags = [
            *plan.setting.flags(),
            f"--rounds={plan.rounds}",
            f"--epochs_per_round={plan.epochs_per_round}",
            "--initial_epochs=-1",
            f"--selection={self.selection}",
            f"--seed={self.seed}",
            "--keep_rounds",
            "--resume",
            f"--run_dir={self.path}",
        ]
        if self.shared:
            flags.append(f"--start_from={self.shared.path}")
        return flags
