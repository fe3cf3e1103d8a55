"""Defines the commands that a sweep can run: train and cluster."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from absl import flags

from and_tf.scan.config import ClusterConfig
from and_tf.training.config import TrainConfig
from and_tf.utils import flag_files
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import RunConfig


@dataclasses.dataclass(frozen=True)
class Command:
    """A command whose runs a sweep starts, each in its own directory.

    Attributes:
        name: The value of --command; the main module is and_tf.<name>.
        config: The class of the command's flags.
        place: The name of the flag for the directory of a run.
        inputs: The names of flags for the inputs of a run. A run may be
            resumed after its inputs were moved, but all runs of a sweep must
            have the same inputs.
    """

    name: str
    config: type[RunConfig]
    place: str
    inputs: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The name of the module that python -m starts."""
        return f"and_tf.{self.name}"

    @property
    def own(self) -> Mapping[str, str]:
        """The flags that the sweep sets itself, and what to use instead."""
        instead = {"resume": "no flag", "seed": "--seeds"}
        return {self.place: "--sweep_dir", **instead}

    def path_of(self, config: RunConfig) -> pathlib.Path:
        """Returns the directory of a run of a sweep."""
        return pathlib.Path(getattr(config, self.place))

    def differences(self, one: RunConfig, other: RunConfig) -> list[str]:
        """Returns the flags by which two runs belong to different sweeps."""
        one, other = one.resolved, other.resolved
        return [
            name
            for name in (*one.run_fields(), *self.inputs)
            if getattr(one, name) != getattr(other, name)
        ]


TRAIN = Command("train", TrainConfig, "run_dir")
CLUSTER = Command("cluster", ClusterConfig, "output_dir", ("run_dir",))
COMMANDS = {command.name: command for command in (TRAIN, CLUSTER)}


def command_of(config: RunConfig) -> Command:
    """Returns the command that a config belongs to."""
    return next(c for c in COMMANDS.values() if c.config is type(config))


def named_in(arguments: Sequence[str]) -> Command:
    """Returns the command in --command, before other flags are defined.

    Commands have flags of the same name, so only the flags of the swept
    command can be defined. Errors in --command or in a flagfile are ignored
    here, and reported when all flags are parsed.

    Args:
        arguments: The command line, with the program's name first.
    """
    values = flags.FlagValues()
    # Without this, "--seeds 3" would hide the arguments after it.
    values.set_gnu_getopt(True)
    flags.DEFINE_string("command", TRAIN.name, "", flag_values=values)
    try:
        read = flag_files.expand(arguments[1:])
        values([arguments[0], *read], known_only=True)
    except (flags.Error, InputError, OSError):
        return TRAIN
    return COMMANDS.get(str(values["command"].value), TRAIN)
