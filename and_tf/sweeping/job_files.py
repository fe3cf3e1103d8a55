"""Writes the runs of a sweep as jobs for what starts them elsewhere.

A job is the command of a run with --resume, so that it begins the run,
continues it or does nothing, however often and wherever it is started. Jobs
depend on nothing but their directories: they share no instance learning, and
the run's own lock keeps two of them apart.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import re
import shlex
import sys
from collections.abc import Callable, Sequence

from and_tf.sweeping.grid import SweepRun
from and_tf.utils import atomic_files
from and_tf.utils.flag_config import RunConfig

# Slurm signals the batch shell alone with B:, and exec has put the training
# there, which keeps its step. A task of an array that is put back into the
# queue, or submitted again, goes on with it.
_SLURM = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
# The runs of a sweep, one a task. What they need is said when it is submitted:
#     sbatch --gpus={gpus} --cpus-per-task=8 --time=8:00:00 {file}
# The same command again continues those that are not done.
cd {here} || exit 1
case "$SLURM_ARRAY_TASK_ID" in
{lines}
esac
"""
_COMMANDS = """\
#!/bin/sh
# The runs of a sweep, one a line, for any number of machines that share their
# directories. Each line can be started again: it goes on, or is done.
cd {here} || exit 1
{lines}
"""
_RAY = '''\
"""The runs of a sweep as tasks of Ray, which starts them on its machines.

    python {file}

RAY_ADDRESS names a cluster; without it, this machine is one. A task whose
machine is lost is started again, and goes on.
"""

import os
import subprocess

import ray

HERE = {here}
RUNS = [
{lines}
]


@ray.remote
def train(command):
    return subprocess.run(command, cwd=HERE).returncode


ray.init(ignore_reinit_error=True)
has_gpus = ray.cluster_resources().get("GPU", 0) > 0
train = train.options(num_cpus=1, num_gpus={gpus} if has_gpus else 0)
codes = ray.get([train.remote(command) for command in RUNS])
failed = [RUNS[place] for place, code in enumerate(codes) if code]
for command in failed:
    print("failed:", *command)
raise SystemExit(1 if failed else 0)
'''


def write(
    kind: str, directory: pathlib.Path, runs: Sequence[SweepRun], gpus: float
) -> pathlib.Path:
    """Writes the jobs of a sweep, and returns the path of their file.

    Args:
        kind: The format, a key of `FORMATS`.
        directory: The directory of the sweep.
        runs: Its runs.
        gpus: The number of GPUs that a run has where there are any; a part of
            one if runs share it.

    Raises:
        InputError: If the file cannot be written.
    """
    name, text = FORMATS[kind]
    path = directory / name
    atomic_files.write_text(path, text(path, runs, gpus))
    return path


def _commands(path: pathlib.Path, runs: Sequence[SweepRun], _: float) -> str:
    return _COMMANDS.format(
        here=shlex.quote(os.getcwd()),
        lines="\n".join(shlex.join(command(run)) for run in runs),
    )


def _slurm(path: pathlib.Path, runs: Sequence[SweepRun], gpus: float) -> str:
    return _SLURM.format(
        gpus=math.ceil(gpus),
        name=re.sub(r"\W+", "_", path.parent.name, flags=re.ASCII) or "sweep",
        last=len(runs) - 1,
        file=shlex.quote(str(path)),
        here=shlex.quote(os.getcwd()),
        lines="\n".join(
            f"{number}) exec {shlex.join(command(run))} ;;"
            for number, run in enumerate(runs)
        ),
    )


def _ray(path: pathlib.Path, runs: Sequence[SweepRun], gpus: float) -> str:
    return _RAY.format(
        # In a docstring, where a path may end it.
        file=repr(str(path)).replace('"', "'"),
        here=repr(os.getcwd()),
        lines="\n".join(f"    {command(run)!r}," for run in runs),
        gpus=f"{_ray_gpus(gpus):g}",
    )


def command(run: SweepRun) -> list[str]:
    """Returns the arguments that start a run, with flags that are not usual."""
    return [sys.executable, "-m", run.command.module, *_given(run.config)]


def _given(config: RunConfig) -> list[str]:
    return [
        f"--{field.name}={getattr(config, field.name)}"
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]


# By format: the name of the file, and the function that makes its text.
FORMATS: dict[
    str, tuple[str, Callable[[pathlib.Path, Sequence[SweepRun], float], str]]
] = {
    "commands": ("commands.sh", _commands),
    "slurm": ("array.slurm", _slurm),
    "ray": ("ray_jobs.py", _ray),
}


def _ray_gpus(gpus: float) -> float:
    """Returns the GPUs that Ray is asked for: parts of one, or whole ones.

    Ray counts in steps of 0.0001, and as many parts as wanted have to fit.
    """
    return math.floor(gpus * 10_000) / 10_000 if gpus <= 1 else math.ceil(gpus)
