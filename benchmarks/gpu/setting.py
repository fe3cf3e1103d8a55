"""Holds what all trainings of one call of the program share."""

from __future__ import annotations

import dataclasses
import json
import pathlib

from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError
from benchmarks.commands import ROOT

PRECISIONS = ("mixed_bfloat16", "float32")
_TINY = (
    "--dataset=digits",
    "--backbone=small",
    "--embedding_dim=32",
    "--batch_size=100",
    "--max_train_examples=400",
    "--max_test_examples=100",
    "--bank_initialiser=uniform",
)
_REMEDY = "Make room, or name another --output_dir."
_CONFIGS = ("cifar10_gpu.flags", "cifar10.flags")


@dataclasses.dataclass(frozen=True)
class Setting:
    """The devices and sizes that all trainings of a call share.

    Attributes:
        level: The name of the level.
        card: The model of the GPUs; on a CPU, the processor.
        devices: How many devices train together.
        precision: Of the trainings whose accuracy counts.
        tiny: Whether everything is so small that only the program itself is
            tried out: digits instead of CIFAR-10, one epoch instead of 50.
        on_cpu: Whether there is no GPU.
        data_dir: Where TFDS' data sets lie; empty for its own default.
    """

    level: str
    card: str
    devices: int = 1
    precision: str = PRECISIONS[0]
    tiny: bool = False
    on_cpu: bool = False
    data_dir: str = ""

    @property
    def counts(self) -> bool:
        """Returns whether the figures may stand beside published ones."""
        return not (self.tiny or self.on_cpu)

    def flags(self, precision: str = "", keep_every: int = 10) -> list[str]:
        """Returns the flags of `and_tf.train` that every training has.

        Args:
            precision: Another one than the setting's.
            keep_every: Epochs between two checkpoints.
        """
        if self.tiny:
            shared = list(_TINY)
        else:
            shared = [
                f"--flagfile={config_file()}",
                # The published figure is the best of all epochs. To look at
                # every fifth gives no more than that, and by estimate takes a
                # few hundredths of the time instead of up to a fifth.
                "--evaluate_every=5",
                f"--checkpoint_epochs={keep_every}",
            ]
        if self.data_dir:
            shared.append(f"--data_dir={self.data_dir}")
        strategy = "mirrored" if self.devices > 1 else "default"
        return [
            *shared,
            f"--precision={precision or self.precision}",
            f"--strategy={strategy}",
        ]

    def claim(self, place: pathlib.Path) -> None:
        """Makes a directory this setting's, or finds it to be so.

        Speeds of two cards, or losses of two precisions, must not end up in
        one table.

        Args:
            place: The directory of all trainings; need not exist.

        Raises:
            InputError: If it holds the trainings of another setting.
        """
        path = place / "setting.json"
        # Data may move between two calls.
        own = dataclasses.asdict(self) | {"data_dir": ""}
        if not path.is_file():
            atomic_files.write_json(path, own, _REMEDY)
            return
        before = json.loads(path.read_text("utf-8"))
        names = [name for name in own if before.get(name) != own[name]]
        if names:
            has = ", ".join(f"{n} {before.get(n)!r}" for n in names)
            now = ", ".join(f"{n} {own[n]!r}" for n in names)
            raise InputError(
                f"Expected to go on in {place} as it was begun: {has}. "
                f"Received: {now}. Use the former, or name another "
                "--output_dir."
            )


def config_file() -> pathlib.Path:
    """Returns the flagfile of the trainings, that for a GPU if there is one."""
    paths = (ROOT / "configs" / name for name in _CONFIGS)
    return next(path for path in paths if path.is_file())
