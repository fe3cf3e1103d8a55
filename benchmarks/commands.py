"""Commands as they stand in tables, read and written."""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from and_tf import config as configs
from and_tf.config import TrainConfig
from and_tf.errors import InputError

ROOT = pathlib.Path(__file__).parents[1]
# Of what does not make a run another run, this changes a figure nevertheless:
# the best epoch is one of those that were evaluated.
MATTERS = ("evaluate_every",)


def config_of(command: str) -> TrainConfig:
    """The config of "python -m and_tf.train --flagfile=… --flag=…".

    Of a sweep's command it is what all runs share.

    Raises:
        InputError: If it has flags that are none.
    """
    arguments = shlex.split(command)[3:]
    values = flags.FlagValues()
    configs.define_flags(TrainConfig, values)
    flags.DEFINE_multi_string("vary", [], "", flag_values=values)
    flags.DEFINE_string("sweep_dir", "", "", flag_values=values)
    flags.DEFINE_integer("seeds", 1, "", flag_values=values)
    try:
        values(["", *(_at_root(argument) for argument in arguments)])
    except flags.Error as error:
        raise InputError(
            f"Expected a command of this project. Received: {command}: {error}."
        ) from error
    return configs.from_flags(TrainConfig, values)


def _at_root(argument: str) -> str:
    """Flagfiles are named from the project's own directory."""
    before, named, path = argument.partition("--flagfile=")
    return f"{before}{named}{ROOT / path}" if named else argument


def train_command(config: TrainConfig) -> str:
    """The shortest command that trains a config, with the configs there are.

    Directories are left out: they are a machine's.
    """
    return f"python -m and_tf.train {' '.join(_shortest(config, ()))}"


def sweep_command(
    config: TrainConfig, vary: Mapping[str, Sequence[Any]], seeds: int
) -> str:
    """The same of a sweep.

    Args:
        config: Of its first run.
        vary: The values of each varied flag.
        seeds: How many there are.
    """
    parts = _shortest(config, (*vary, "seed"))
    for name, values in vary.items():
        parts.append(f"--vary={name}={','.join(map(str, values))}")
    if config.seed:
        parts.append(f"--seed={config.seed}")
    parts += [f"--seeds={seeds}", "--sweep_dir=…"]
    return f"python -m and_tf.sweep {' '.join(map(_quoted, parts))}"


def _shortest(config: TrainConfig, besides: Sequence[str]) -> list[str]:
    """A flagfile, if one helps, and the flags that it takes beside it."""
    names = [n for n in (*config.run_fields(), *MATTERS) if n not in besides]
    candidates = [([], TrainConfig())]
    for path in sorted((ROOT / "configs").glob("*.flags")):
        flagfile = f"--flagfile={path.relative_to(ROOT)}"
        base = configs.from_flagfile(TrainConfig, path)
        candidates.append(([flagfile], base))
    whole = [start + _flags(config, base, names) for start, base in candidates]
    return min(whole, key=len)


def _flags(
    config: TrainConfig, base: TrainConfig, names: Sequence[str]
) -> list[str]:
    found = [
        _quoted(f"--{name}={getattr(config, name)}")
        for name in names
        if getattr(config, name) != getattr(base, name)
    ]
    if config.dataset == "folder":
        found.append("--data_dir=…")
    return found


def _quoted(argument: str) -> str:
    return argument if argument.endswith("=…") else shlex.quote(argument)
