"""The level `smoke`: how fast a card trains, in a few minutes.

1. A whole small run: two epochs of instance learning and a round of two.
2. The parts of its epochs, see `parts`.
3. A few epochs for each precision and batch size. Those of the smallest batch
   see the same images in the same order, from the same weights, so that their
   losses tell how far the two precisions differ.

Everything is kept in one directory, and what is there is not done again.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

from and_tf.utils import atomic_files
from and_tf.utils.progress import duration
from benchmarks.gpu.process import Failed, Launcher
from benchmarks.gpu.setting import PRECISIONS, Setting
from benchmarks.gpu.trial import Trial

BATCHES = (128, 256, 512)  # Images a step on each device.
_TINY_BATCHES = (100,)
_IMAGES = 25_600  # At least.
_TINY_IMAGES = 400
_EPOCHS, _TINY_EPOCHS = 4, 2
_ROUND_EPOCHS, _TINY_ROUND_EPOCHS = 2, 1


@dataclasses.dataclass(frozen=True)
class Case:
    """A short training with one precision and batch size.

    Attributes:
        precision: Keras' precision policy.
        batch_size: Images a step, over all devices.
        trial: The training.
    """

    precision: str
    batch_size: int
    trial: Trial

    @property
    def failure(self) -> pathlib.Path:
        """The file that says why it failed, if it did."""
        return self.trial.path.with_name(f"{self.trial.path.name}.failed")


@dataclasses.dataclass(frozen=True)
class Smoke:
    """The measurements in one directory.

    Args:
        setting: On what, and how large.
        place: The directory.
    """

    setting: Setting
    place: pathlib.Path

    @property
    def run(self) -> pathlib.Path:
        """The directory of the small whole run."""
        return self.place / "run"

    @property
    def parts(self) -> pathlib.Path:
        """The file with the times of an epoch's parts."""
        return self.place / "parts.json"

    @property
    def images(self) -> int:
        """Returns how many training images the cases have.

        A multiple of each batch: a smaller last one would be compiled apart.
        """
        if self.setting.tiny:
            return _TINY_IMAGES
        largest = self._batches[-1]
        return -(-_IMAGES // largest) * largest

    @property
    def _batches(self) -> list[int]:
        batches = _TINY_BATCHES if self.setting.tiny else BATCHES
        return [batch * self.setting.devices for batch in batches]

    @property
    def cases(self) -> list[Case]:
        """All pairs of a batch size and a precision, the usual batch first."""
        return [
            self._case(precision, batch)
            for batch in self._batches
            for precision in PRECISIONS
        ]

    def _case(self, precision: str, batch_size: int) -> Case:
        path = self.place / "rates" / f"{precision}_{batch_size}"
        flags = [
            *self.setting.flags(precision, keep_every=1),
            f"--batch_size={batch_size}",
            f"--max_train_examples={self.images}",
            "--evaluate_every=0",
        ]
        epochs = _TINY_EPOCHS if self.setting.tiny else _EPOCHS
        return Case(precision, batch_size, Trial(path, flags, epochs))

    def measure(self, launcher: Launcher) -> None:
        """Does what has not been done.

        Args:
            launcher: Starts the processes.

        Raises:
            Failed: If the whole run, or the timing of its parts, ends with an
                error. A case that does, as for want of memory with a large
                batch, has a file that says so, and the others go on.
            Interrupted: If a process was asked to end.
        """
        if not (self.run / "result.json").is_file():
            _say("a run of a few epochs")
            launcher.run(self._run_command(), self.place / "run.log")
        if not self.parts.is_file():
            _say("the parts of an epoch")
            launcher.run(self._parts_command(), self.place / "parts.log")
        left = [case for case in self.cases if not case.trial.done]
        for number, case in enumerate(left, start=1):
            began = launcher.clock()
            _say(f"{case.precision}, batches of {case.batch_size}")
            _train(case, launcher)
            seconds = (len(left) - number) * (launcher.clock() - began)
            if seconds:
                _say(f"  about {duration(seconds)} for the rest")

    def _run_command(self) -> list[str]:
        epochs = _TINY_ROUND_EPOCHS if self.setting.tiny else _ROUND_EPOCHS
        return [
            "-m",
            "and_tf.train",
            *self.setting.flags(keep_every=1),
            "--rounds=1",
            "--initial_epochs=-1",
            f"--epochs_per_round={epochs}",
            "--keep_rounds",
            "--resume",
            f"--run_dir={self.run}",
        ]

    def _parts_command(self) -> list[str]:
        return [
            "-m",
            "benchmarks.gpu.parts",
            f"--run_dir={self.run}",
            f"--output={self.parts}",
        ]

    def read_run(self) -> dict[str, Any] | None:
        """Returns the whole run's result.json, None before its end."""
        return _read(self.run / "result.json")

    def read_parts(self) -> dict[str, Any] | None:
        """Returns the times of an epoch's parts, None before they are there."""
        return _read(self.parts)


def _train(case: Case, launcher: Launcher) -> None:
    """Trains a case, or keeps the reason why it cannot be."""
    case.failure.unlink(missing_ok=True)
    try:
        case.trial.run(launcher)
    except Failed as error:
        atomic_files.write_text(case.failure, f"{error}\n")
        _say(f"  {error}")
    else:
        case.trial.drop_checkpoints()


def _read(path: pathlib.Path) -> dict[str, Any] | None:
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _say(text: str) -> None:
    print(text, flush=True)
