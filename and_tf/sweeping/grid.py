"""Lists the runs of a sweep: every combination of values with every seed."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from and_tf.sweeping.command import TRAIN, Command, command_of
from and_tf.utils import flag_config
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import RunConfig

LONGEST = 255  # The longest name, in bytes, in nearly all file systems.
ALONE = "default"  # The combination's name if no flag is varied.


@dataclasses.dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Attributes:
        config: All flags of the run, including its directory and `resume`.
        values: The values of the varied flags, by name.
    """

    config: RunConfig
    values: Mapping[str, Any]

    @property
    def command(self) -> Command:
        """The command that does the run."""
        return command_of(self.config)

    @property
    def path(self) -> pathlib.Path:
        """The directory of the run."""
        return self.command.path_of(self.config)

    @property
    def name(self) -> str:
        """The name in messages, such as "neighbourhood_size=5  seed 2"."""
        return f"{label(self.values)}  seed {self.config.seed}"


def label(values: Mapping[str, Any]) -> str:
    """Names a combination: "neighbourhood_size=5,selection=one_off"."""
    parts = (f"{name}={value}" for name, value in values.items())
    return ",".join(parts) or ALONE


def varied(
    texts: Sequence[str], command: Command = TRAIN
) -> dict[str, list[Any]]:
    """Parses "flag=value,value,…" for each flag that is varied.

    Args:
        texts: The values of --vary.
        command: The command that has the flags.

    Returns:
        The values of each flag, by its name, in the flag's type and in the
        given order.

    Raises:
        InputError: If a flag is unknown, is set by the sweep itself or is
            given twice, or if a value has the wrong type or is given twice.
    """
    known = flags.FlagValues()
    flag_config.define_flags(command.config, known)
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = _current_name(name.removeprefix("--"), command)
        if not equals or not values:
            raise InputError(
                f"Expected --vary=flag=value,value,… Received: {text!r}."
            )
        _check_name(name, found, command)
        found[name] = [
            _parse(known, name, value) for value in values.split(",")
        ]
        if len(set(found[name])) < len(found[name]):
            raise InputError(
                f"Expected each value of {name} once. Received: {values}."
            )
    return found


def _current_name(name: str, command: Command) -> str:
    """Returns the name of a flag that older versions called `name`."""
    for field in dataclasses.fields(command.config):
        if field.metadata.get("formerly") == name:
            return field.name
    return name


def _check_name(name: str, found: Mapping[str, Any], command: Command) -> None:
    names = [field.name for field in dataclasses.fields(command.config)]
    if name not in names:
        raise InputError(
            f"Expected a flag of {command.module} in --vary. Received: "
            f"{name!r}. python -m {command.module} --help lists them."
        )
    if name in command.own:
        raise InputError(
            f"Expected a flag that a sweep can vary. Received: {name}, for "
            f"which a sweep has {command.own[name]}."
        )
    if name in found:
        raise InputError(
            f"Expected each flag in one --vary. Received: {name} in two."
        )


def _parse(known: flags.FlagValues, name: str, text: str) -> Any:
    try:
        known[name].parse(text)
    except flags.Error as error:
        raise InputError(
            f"Expected values of --{name} in --vary. Received: {text!r}: "
            f"{error}."
        ) from error
    return known[name].value


def runs_of(
    base: RunConfig,
    vary: Mapping[str, Sequence[Any]],
    seeds: int,
    directory: pathlib.Path,
) -> list[SweepRun]:
    """Lists all runs of a sweep.

    All combinations of a seed come before the next seed, so that even an
    incomplete sweep compares all combinations.

    Args:
        base: The flags that all runs share; its seed is the first seed.
        vary: The values of each varied flag, from `varied`.
        seeds: The number of seeds.
        directory: The directory of the sweep.

    Returns:
        Runs in <directory>/<flag=value,…>/seed_<s>.

    Raises:
        InputError: If a combination of flags is invalid, or its name is too
            long for a directory.
    """
    place = command_of(base).place
    runs = []
    for seed in range(base.seed, base.seed + seeds):
        for combination in itertools.product(*vary.values()):
            values = dict(zip(vary, combination, strict=True))
            # A value that is a path contains slashes, which are escaped.
            name = urllib.parse.quote(label(values), safe="=,[]:%+ ")
            if len(name) > LONGEST:
                raise InputError(
                    f"Expected values of --vary that make a directory's name "
                    f"of at most {LONGEST} characters. Received {len(name)}: "
                    f"{name}. Shorten them; paths may be relative."
                )
            changes = values | {
                place: str(directory / name / f"seed_{seed}"),
                "seed": seed,
                "resume": True,
            }
            config = dataclasses.replace(base, **changes)
            runs.append(SweepRun(config, values))
    return runs


def check_directories(runs: Sequence[SweepRun]) -> None:
    """Checks that runs in the sweep's directory belong to this sweep.

    Args:
        runs: All runs of the sweep.

    Raises:
        InputError: If an existing run has other flags.
    """
    for run in runs:
        flagfile = run.path / "flags.cfg"
        if not flagfile.is_file():
            continue
        before = flag_config.from_run(run.command.config, flagfile)
        names = run.command.differences(run.config, before)
        if names:
            has = ", ".join(f"--{n}={getattr(before, n)}" for n in names)
            now = ", ".join(f"--{n}={getattr(run.config, n)}" for n in names)
            raise InputError(
                f"The run in {run.path} belongs to a sweep with other flags: "
                f"{has}. Received: {now}. Use those of the sweep, or another "
                "--sweep_dir."
            )
