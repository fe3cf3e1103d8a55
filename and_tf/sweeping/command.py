"""Which mains can be swept: trainings, and clusterings of trained runs."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from absl import flags

from and_tf.scan.config import ClusterConfig
from and_tf.training.config import RunConfig, TrainConfig
from and_tf.utils import flag_files
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Command:
    """A main whose runs a sweep starts, each in a directory of its own.

    Attributes:
        name: In --command; the main is and_tf.<name>.
        config: The class that its flags are of.
        place: The flag that names the directory.
        inputs: Flags that name what a run starts from. Runs may go on where
            that was moved to, but those of a sweep that began with something
            else are none of it.
    """

    name: str
    config: type[RunConfig]
    place: str
    inputs: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """What python -m starts."""
        return f"and_tf.{self.name}"

    @property
    def own(self) -> Mapping[str, str]:
        """The sweep's own business, so that nobody varies it."""
        instead = {"resume": "no flag", "seed": "--seeds"}
        return {self.place: "--sweep_dir", **instead}

    def path_of(self, config: RunConfig) -> pathlib.Path:
        """The directory of a run of a sweep."""
        return pathlib.Path(getattr(config, self.place))

    def differences(self, one: RunConfig, other: RunConfig) -> list[str]:
        """Flags in which two runs are of different sweeps."""
        return [
            name
            for name in (*one.run_fields(), *self.inputs)
            if getattr(one, name) != getattr(other, name)
        ]


TRAIN = Command("train", TrainConfig, "run_dir")
CLUSTER = Command("cluster", ClusterConfig, "output_dir", ("run_dir",))
COMMANDS = {command.name: command for command in (TRAIN, CLUSTER)}


def command_of(config: RunConfig) -> Command:
    """The command that a config is of."""
    return next(c for c in COMMANDS.values() if c.config is type(config))


def named_in(arguments: Sequence[str]) -> Command:
    """The command that --command names, before any other flag is defined.

    Two commands have flags of one name, so that only those of the one that
    is swept can be. What is wrong with --command, or with a flagfile, is left
    to be said by whoever reads all flags.

    Args:
        arguments: Of the command line, the program's name first.
    """
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # Else --seeds 3 would hide what follows.
    flags.DEFINE_string("command", TRAIN.name, "", flag_values=values)
    try:
        read = flag_files.expand(arguments[1:])
        values([arguments[0], *read], known_only=True)
    except (flags.Error, InputError, OSError):
        return TRAIN
    return COMMANDS.get(values["command"].value, TRAIN)
