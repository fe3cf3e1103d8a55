"""Which runs a sweep is made of: every combination of values, every seed."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from and_tf.sweeping.command import TRAIN, Command, command_of
from and_tf.training import config as configs
from and_tf.training.config import RunConfig
from and_tf.utils.errors import InputError

LONGEST = 255  # Bytes of a name, in nearly all file systems.
ALONE = "default"  # The combination's name where nothing is varied.


@dataclasses.dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Attributes:
        config: The whole of it, its directory and `resume` included.
        values: Of the flags that are varied, by name.
    """

    config: RunConfig
    values: Mapping[str, Any]

    @property
    def command(self) -> Command:
        """What it is a run of."""
        return command_of(self.config)

    @property
    def path(self) -> pathlib.Path:
        """Its directory."""
        return self.command.path_of(self.config)

    @property
    def name(self) -> str:
        """What people read: "neighbourhood_size=5  seed 2"."""
        return f"{label(self.values)}  seed {self.config.seed}"


def label(values: Mapping[str, Any]) -> str:
    """A combination's name: "neighbourhood_size=5,selection=one_off"."""
    parts = (f"{name}={value}" for name, value in values.items())
    return ",".join(parts) or ALONE


def varied(
    texts: Sequence[str], command: Command = TRAIN
) -> dict[str, list[Any]]:
    """Reads "flag=value,value,…" for each flag that is varied.

    Args:
        texts: Values of --vary.
        command: Whose flags they are.

    Returns:
        Values by the flag's name, of the flag's type, in the order given.

    Raises:
        InputError: If a flag is unknown, the sweep's own or there twice, or a
            value is none of its type or there twice.
    """
    known = flags.FlagValues()
    configs.define_flags(command.config, known)
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.removeprefix("--")
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
    """All runs of a sweep.

    A seed visits all combinations before the next begins, so that a sweep
    that is cut short has compared them.

    Args:
        base: What is the same in all of them; its seed is the first.
        vary: From `varied`.
        seeds: How many.
        directory: Theirs.

    Returns:
        Runs in <directory>/<flag=value,…>/seed_<s>.

    Raises:
        InputError: If a combination is no config, or its name too long for a
            directory's.
    """
    place = command_of(base).place
    runs = []
    for seed in range(base.seed, base.seed + seeds):
        for combination in itertools.product(*vary.values()):
            values = dict(zip(vary, combination, strict=True))
            # A value may have a slash in it, as a path has.
            name = urllib.parse.quote(label(values), safe="=,[]:%+ ")
            if len(name) > LONGEST:
                raise InputError(
                    f"Expected values of --vary that make a directory's name "
                    f"of at most {LONGEST} characters. Received {len(name)}: "
                    f"{name}. Shorten them; paths may be relative."
                )
            own = {place: str(directory / name / f"seed_{seed}")}
            config = dataclasses.replace(
                base, **values, **own, seed=seed, resume=True
            )
            runs.append(SweepRun(config, values))
    return runs


def check_directories(runs: Sequence[SweepRun]) -> None:
    """Makes sure that what lies in the sweep's directory is of this sweep.

    Raises:
        InputError: If a run there has other flags.
    """
    for run in runs:
        flagfile = run.path / "flags.cfg"
        if not flagfile.is_file():
            continue
        before = configs.from_run(run.command.config, flagfile)
        names = run.command.differences(run.config, before)
        if names:
            has = ", ".join(f"--{n}={getattr(before, n)}" for n in names)
            now = ", ".join(f"--{n}={getattr(run.config, n)}" for n in names)
            raise InputError(
                f"Expected the flags of the sweep that {run.path} is of: "
                f"{has}. Received: {now}. Use those, or another --sweep_dir."
            )
