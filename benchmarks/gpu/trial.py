"""A training that is ended after a few epochs, for the sake of its speed."""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import shutil
import statistics
import time
from collections.abc import Callable, Sequence

from and_tf.utils import atomic_files
from benchmarks.gpu.process import Launcher


@dataclasses.dataclass(frozen=True)
class Trial:
    """A training of which a few epochs are wanted.

    Args:
        path: Its run directory.
        flags: Those that tell what is trained.
        epochs: How many are wanted. The first one holds the compilation and
            tells nothing of the speed, so at least 2.
    """

    path: pathlib.Path
    flags: Sequence[str]
    epochs: int

    @property
    def log(self) -> pathlib.Path:
        """The file with what the training printed, beside its directory."""
        return self.path.with_name(f"{self.path.name}.log")

    @property
    def rows(self) -> list[dict[str, str]]:
        """The wanted epochs' rows of metrics.csv, as many as there are."""
        return read_metrics(self.path)[: self.epochs]

    @property
    def done(self) -> bool:
        """Returns whether all wanted epochs have been trained."""
        return len(self.rows) == self.epochs

    @property
    def images_per_second(self) -> float:
        """The median over the epochs after the first."""
        return statistics.median(
            float(row["images_per_second"]) for row in self.rows[1:]
        )

    @property
    def losses(self) -> list[float]:
        """The mean loss of each epoch."""
        return [float(row["loss"]) for row in self.rows]

    def run(
        self, launcher: Launcher, seen: Callable[[int], None] = lambda _: None
    ) -> None:
        """Trains until the wanted epochs are there.

        To train on to a regular end would take longer than what is wanted:
        figures are drawn there, and all images are embedded.

        Args:
            launcher: Starts the process.
            seen: Told again and again how many epochs there are.

        Raises:
            Failed: If the training ends with an error.
            Interrupted: If it was asked to end.
        """

        def enough() -> bool:
            count = len(self.rows)
            seen(count)
            return count == self.epochs

        flags = [
            *self.flags,
            "--rounds=0",
            "--initial_epochs=1000",
            "--nobaselines",
            "--resume",
            f"--run_dir={self.path}",
        ]
        launcher.run(["-m", "and_tf.train", *flags], self.log, enough)

    def drop_checkpoints(self) -> None:
        """Removes what would only serve to train on."""
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)


def read_metrics(run: pathlib.Path) -> list[dict[str, str]]:
    """Reads the metrics.csv of a run, a dict an epoch; none if there is none.

    Args:
        run: Its directory.
    """
    try:
        text = (run / "metrics.csv").read_text("utf-8")
    except FileNotFoundError:
        return []
    return list(csv.DictReader(text.splitlines()))


@dataclasses.dataclass(frozen=True)
class Pace:
    """The pace of a short training, from which a long one is estimated.

    Attributes:
        start_seconds: From the start of the process to the end of the first
            epoch, so with compilation.
        epoch_seconds: From the end of one epoch to the end of the next, so
            with evaluation and checkpoint.
        checkpoint_bytes: The size of a checkpoint.
    """

    start_seconds: float
    epoch_seconds: float
    checkpoint_bytes: int


def measure_pace(
    trial: Trial,
    launcher: Launcher,
    clock: Callable[[], float] = time.monotonic,
) -> Pace:
    """Runs a trial and looks at the clock, or takes what it found before.

    Args:
        trial: What is trained.
        launcher: Starts the process.
        clock: Returns seconds from any fixed moment.

    Raises:
        Failed: If the training ends with an error.
        Interrupted: If it was asked to end.
    """
    kept = trial.path.with_name(f"{trial.path.name}.json")
    if kept.is_file():
        return Pace(**json.loads(kept.read_text("utf-8")))
    began, before = clock(), len(trial.rows)
    moments: dict[int, float] = {}
    trial.run(launcher, lambda count: moments.setdefault(count, clock()))
    moments.pop(before, None)
    pace = Pace(
        start_seconds=min(moments.values(), default=began) - began,
        epoch_seconds=_epoch_seconds(trial, moments),
        checkpoint_bytes=max(
            (
                path.stat().st_size
                for path in (trial.path / "checkpoints").glob("*.npz")
            ),
            default=0,
        ),
    )
    atomic_files.write_json(kept, dataclasses.asdict(pace))
    trial.drop_checkpoints()
    return pace


def _epoch_seconds(trial: Trial, moments: dict[int, float]) -> float:
    """Returns the seconds of a whole epoch, evaluation included.

    Args:
        trial: Done.
        moments: When each number of epochs was first seen.

    Returns:
        If all epochs were seen at once, the seconds of their steps alone.
    """
    steps = [float(row["seconds"]) for row in trial.rows[1:]]
    least = statistics.median(steps)
    counts = sorted(moments)
    if len(counts) < 2:
        return least
    first, last = counts[0], counts[-1]
    return max(least, (moments[last] - moments[first]) / (last - first))
