"""Commands as they stand in tables, read and written."""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from and_tf.sweeping.command import (
    CLUSTER,
    TRAIN,
    Command,
    command_of,
    named_in,
)
from and_tf.training import config as configs
from and_tf.training.config import RunConfig
from and_tf.utils.errors import InputError

ROOT = pathlib.Path(__file__).parents[1]
# Of what does not make a run another run, this changes a figure nevertheless:
# the best epoch is one of those that were evaluated.
MATTERS = ("evaluate_every",)


def config_of(command: str) -> RunConfig:
    """The config of "python -m and_tf.train --flagfile=… --flag=…".

    Of a sweep's command it is what all runs share.

    Raises:
        InputError: If it has flags that are none.
    """
    _, _, module, *arguments = shlex.split(command)
    swept = CLUSTER if module == CLUSTER.module else named_in(["", *arguments])
    values = flags.FlagValues()
    configs.define_flags(swept.config, values)
    flags.DEFINE_string("command", "", "", flag_values=values)
    flags.DEFINE_multi_string("vary", [], "", flag_values=values)
    flags.DEFINE_string("sweep_dir", "", "", flag_values=values)
    flags.DEFINE_integer("seeds", 1, "", flag_values=values)
    try:
        values(["", *(_at_root(argument) for argument in arguments)])
    except flags.Error as error:
        raise InputError(
            f"Expected a command of this project. Received: {command}: {error}."
        ) from error
    # Where a command leaves open what it starts from, any will do.
    open_ = {n: "…" for n in swept.inputs if not values[n].value}
    if swept is TRAIN and values.dataset == "folder" and not values.data_dir:
        open_["data_dir"] = "…"
    return configs.from_flags(swept.config, values, **open_)


def _at_root(argument: str) -> str:
    """Flagfiles are named from the project's own directory."""
    before, named, path = argument.partition("--flagfile=")
    return f"{before}{named}{ROOT / path}" if named else argument


def run_command(config: RunConfig) -> str:
    """The shortest command that runs a config, with the configs there are.

    Directories are left out: they are a machine's.
    """
    parts = _shortest(config, ())
    return f"python -m {command_of(config).module} {' '.join(parts)}"


def sweep_command(
    config: RunConfig, vary: Mapping[str, Sequence[Any]], seeds: int
) -> str:
    """The same of a sweep.

    Args:
        config: Of its first run.
        vary: The values of each varied flag.
        seeds: How many there are.
    """
    swept = command_of(config)
    parts = [f"--command={swept.name}"] if swept is not TRAIN else []
    parts += _shortest(config, (*vary, "seed"))
    for name, values in vary.items():
        parts.append(f"--vary={name}={','.join(map(str, values))}")
    if config.seed:
        parts.append(f"--seed={config.seed}")
    parts += [f"--seeds={seeds}", "--sweep_dir=…"]
    return f"python -m and_tf.sweep {' '.join(map(_quoted, parts))}"


def _shortest(config: RunConfig, besides: Sequence[str]) -> list[str]:
    """A flagfile, if one helps, and the flags that it takes beside it."""
    command = command_of(config)
    matter = MATTERS if command is TRAIN else ()
    names = [n for n in (*config.run_fields(), *matter) if n not in besides]
    places = [f"--{name}=…" for name in command.inputs if name not in besides]
    if command is TRAIN and config.dataset == "folder":
        places.append("--data_dir=…")
    whole = []
    for start in ([], *_flagfiles(command)):
        base = config_of(f"python -m {command.module} {' '.join(start)}")
        whole.append([*start, *_flags(config, base, names), *places])
    return min(whole, key=len)


def _flagfiles(command: Command) -> list[list[str]]:
    """The configs of a command; those of clusterings are named for it."""
    paths = sorted((ROOT / "configs").glob("*.flags"))
    return [
        [f"--flagfile={path.relative_to(ROOT)}"]
        for path in paths
        if path.name.startswith("scan_") == (command is CLUSTER)
    ]


def _flags(
    config: RunConfig, base: RunConfig, names: Sequence[str]
) -> list[str]:
    return [
        _quoted(f"--{name}={getattr(config, name)}")
        for name in names
        if getattr(config, name) != getattr(base, name)
    ]


def _quoted(argument: str) -> str:
    return argument if argument.endswith("=…") else shlex.quote(argument)
