"""Find the GPUs, and hold what all trainings of one call share."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

from and_tf.utils import atomic_files, cli
from and_tf.utils.errors import InputError
from benchmarks.commands import ROOT
from benchmarks.harness import processes

PRECISIONS = ("mixed_bfloat16", "float32")
_TINY = (
    "--dataset=digits",
    "--encoder=small",
    "--embedding_dim=32",
    "--batch_size=100",
    "--max_train_examples=400",
    "--max_test_examples=100",
    "--bank_initialiser=uniform",
)
_REMEDY = "Make room, or name another --output_dir."
_CONFIGS = ("cifar10_gpu.flags", "cifar10.flags")
VISIBLE = "CUDA_VISIBLE_DEVICES"
_NONE = "-1"


@dataclasses.dataclass(frozen=True)
class Setting:
    """Holds the devices and sizes that all trainings of a call share.

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
        """Return whether the figures may stand beside published ones."""
        return not (self.tiny or self.on_cpu)

    def flags(self, precision: str = "", keep_every: int = 10) -> list[str]:
        """Return the flags of `and_tf.train` that every training has.

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
        """Make a directory this setting's, or check that it is.

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
    """Return the flagfile of the trainings, that for a GPU if there is one."""
    paths = (ROOT / "configs" / name for name in _CONFIGS)
    return next(path for path in paths if path.is_file())


def find_gpus() -> list[str]:
    """Return the models of the GPUs that are visible here.

    A process of its own is asked, so that this one uses no GPU. What it prints
    is shown: with TF_CPP_MIN_LOG_LEVEL=0, why TensorFlow finds none.

    Raises:
        InputError: If TensorFlow cannot be started.
    """
    return processes.call(name_gpus, shown=True)


def name_gpus() -> list[str]:
    """Ask TensorFlow in this process."""
    cli.import_tensorflow()
    from and_tf.distribution.devices import gpu_names

    return gpu_names()


def check_gpus(names: Sequence[str], wanted: int) -> str:
    """Check that there are as many GPUs as are wanted, of one model.

    Args:
        names: From `find_gpus`.
        wanted: How many devices are to be used.

    Returns:
        The model of the cards.

    Raises:
        InputError: If there are fewer, or different ones among them.
    """
    if not names:
        raise InputError(
            "Expected a GPU. Received: none that TensorFlow sees. Install its "
            "CUDA libraries (pip install 'tensorflow[and-cuda]') and a driver "
            f"that nvidia-smi can talk to, look at {VISIBLE}, or try the "
            "program on the CPU with --device=cpu --tiny. "
            "TF_CPP_MIN_LOG_LEVEL=0 shows why TensorFlow finds none."
        )
    if wanted > len(names):
        raise InputError(
            f"Expected {wanted} GPUs for --devices={wanted}. Received: "
            f"{len(names)} ({', '.join(names)}). Lower --devices, or make "
            f"more of them visible in {VISIBLE}."
        )
    used = names[:wanted]
    if len(set(used)) > 1:
        raise InputError(
            f"Expected cards of one model. Received: {', '.join(used)}. Choose "
            f"some with {VISIBLE}; the slowest one would be measured."
        )
    return used[0]


def environment(
    wanted: int, on_cpu: bool, outer: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the variables that show a process the wanted devices alone.

    Args:
        wanted: How many GPUs.
        on_cpu: Whether it is to use none of them.
        outer: The variables of this process.
    """
    if on_cpu:
        return {VISIBLE: _NONE}
    visible = outer.get(VISIBLE, "").split(",")
    if visible == [""]:
        visible = [str(number) for number in range(wanted)]
    return {VISIBLE: ",".join(visible[:wanted])}
