"""Estimates the minutes and the room on the disk that a level takes."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

from and_tf.utils.errors import InputError
from benchmarks.gpu.levels import Plan
from benchmarks.gpu.process import Launcher
from benchmarks.gpu.trial import Pace, Trial, measure_pace

TRIAL_EPOCHS = 3
# Beside checkpoints a run has pictures, neighbourhoods and event files, whose
# size was seen to stay below this for 50,000 images.
_BESIDE = 100 * 2**20
# The two newest and the best one.
_CHECKPOINTS = 3
_GIBI = 2**30


@dataclasses.dataclass(frozen=True)
class Cost:
    """The work that is left.

    Attributes:
        epochs: To be trained.
        seconds: That all of it takes.
        bytes: That the runs are going to have on the disk in the end, less
            what they have already.
    """

    epochs: int
    seconds: float
    bytes: int

    def sentence(self, place: pathlib.Path, minutes: float) -> str:
        """Says it to people.

        Args:
            place: Where the runs are.
            minutes: The time limit; 0 is none.
        """
        needed = self.seconds / 60
        text = (
            f"{self.epochs:,} epochs to train: about {_minutes(needed)}, and "
            f"{self.bytes / _GIBI:.1f} GiB in {place}"
        )
        if 0 < minutes < needed:
            text += (
                f". The time limit of {minutes:g} minutes comes before its "
                "end; the same command goes on from there"
            )
        return text


def estimate(plan: Plan, launcher: Launcher) -> Cost:
    """Trains a few epochs, if that was not done before, and reckons.

    Args:
        plan: The trainings.
        launcher: Starts the process.

    Raises:
        Failed: If the short training ends with an error.
        Interrupted: If it was asked to end.
    """
    # A checkpoint after each epoch, for what is timed are the rows of
    # metrics.csv, which come with it: the estimate is a little too high.
    flags = plan.setting.flags(keep_every=1)
    trial = Trial(plan.place / "trial", flags, TRIAL_EPOCHS)
    print(
        f"the pace of {trial.epochs} epochs tells what all of them cost",
        flush=True,
    )
    return reckon(plan, measure_pace(trial, launcher))


def reckon(plan: Plan, pace: Pace) -> Cost:
    """Returns the cost at a known pace.

    Args:
        plan: The trainings.
        pace: Of one of them.
    """
    left = [run for run in plan.runs if not run.done]
    checkpoints = _CHECKPOINTS + 1 + plan.rounds
    whole = checkpoints * pace.checkpoint_bytes + _BESIDE
    return Cost(
        epochs=plan.epochs_left,
        seconds=plan.epochs_left * pace.epoch_seconds
        + len(left) * pace.start_seconds,
        bytes=sum(max(0, whole - _size(run.path)) for run in left),
    )


def check_disk(cost: Cost, place: pathlib.Path) -> None:
    """Refuses to begin what the disk has no room for.

    Args:
        cost: Of what is left.
        place: Where the runs are; has to exist.

    Raises:
        InputError: If there is too little room.
    """
    free = shutil.disk_usage(place).free
    if free < cost.bytes:
        raise InputError(
            f"Expected {cost.bytes / _GIBI:.1f} GiB of free disk space for "
            f"{place}. Received: {free / _GIBI:.1f} GiB. Make room, or name "
            "another --output_dir."
        )


def _size(directory: pathlib.Path) -> int:
    """Bytes of all files in a directory, which need not exist."""
    paths = directory.rglob("*")
    return sum(path.stat().st_size for path in paths if path.is_file())


def _minutes(count: float) -> str:
    """Returns "1 minute", "12 minutes" or "4.5 hours"."""
    if count < 1.5:
        return "1 minute"
    if count < 100:
        return f"{round(count)} minutes"
    return f"{count / 60:.1f} hours"
