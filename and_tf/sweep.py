"""Trains or clusters once for each combination of flags' values and seeds.

Examples:

    Six combinations, three seeds each:
        python -m and_tf.sweep --flagfile=configs/small_cifar10.flags \\
            --vary=neighbourhood_size=1,5,10 \\
            --vary=selection=curriculum,one_off --seeds=3 --sweep_dir=sweeps/k

    Clusterings of one trained run:
        python -m and_tf.sweep --command=cluster --run_dir=runs/cifar10 \\
            --flagfile=configs/scan_cifar10.flags --vary=neighbours=5,20,50 \\
            --sweep_dir=sweeps/scan_k

    List the runs of a sweep, and how far each is:
        python -m and_tf.sweep --flagfile=configs/small_cifar10.flags \\
            --vary=rounds=1,2,4 --sweep_dir=sweeps/rounds --list

    Write them as a job array of Slurm, and later the table of what it did:
        python -m and_tf.sweep --flagfile=configs/small_cifar10.flags \\
            --vary=rounds=1,2,4 --sweep_dir=sweeps/rounds \\
            --dry_run --format=slurm
        python -m and_tf.sweep --flagfile=configs/small_cifar10.flags \\
            --vary=rounds=1,2,4 --sweep_dir=sweeps/rounds --table

Every other flag of and_tf.train holds for all runs; with --command=cluster,
every flag of and_tf.cluster. Each run has an ordinary run directory,
<sweep_dir>/<flag=value,…>/seed_<s>/, and a process of its own, which prints to
log.txt there. After every run table.md and table.csv are written, and plot.png
at the end.

The same command continues a sweep that was interrupted. It may run several
times at once, on several machines too: every run is done by one of them.

On a machine with NVIDIA GPUs, as many runs are in progress as there are GPUs,
and each sees its own only. CUDA_VISIBLE_DEVICES names those that a sweep may
use: all if it is not set, none if it is empty. Several sweeps of one user on a
machine leave each other's GPUs alone. Without GPUs the runs are done one after
another.
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from and_tf import figures
from and_tf.distribution import nvidia
from and_tf.figures.comparison import Series
from and_tf.sweeping import command, grid, job_files, table
from and_tf.sweeping.gpu_slots import GpuSlots
from and_tf.sweeping.grid import SweepRun
from and_tf.sweeping.metrics import (
    HOW_TO_READ,
    gather,
    headline,
)
from and_tf.sweeping.run_status import Outcome, outcome_of
from and_tf.sweeping.scheduler import Work
from and_tf.utils import bounds, cli, provenance
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import FlagConfig, Group, from_flags, option
from and_tf.utils.schemas import is_clustering
from and_tf.utils.signals import Interruption


@dataclasses.dataclass(frozen=True)
class SweepConfig(FlagConfig):
    """The flags that say what is varied, how often, and on which GPUs."""

    command: str = option(
        Group.SWEEP,
        command.TRAIN.name,
        "Command of each run: train, a training; or cluster, a clustering of "
        "a trained run.",
        choices=tuple(command.COMMANDS),
    )
    vary: Sequence[str] = option(
        Group.SWEEP,
        (),
        "Flag of --command and the values that it takes in turn, as "
        "flag=value,value. Give it once for each flag to vary.",
        unit="flag=value,value",
    )
    seeds: int = option(
        Group.SWEEP,
        1,
        "Number of seeds of each combination, counted from --seed on.",
        unit="seeds",
        least=1,
        most=bounds.REPEATS,
    )
    sweep_dir: str = option(
        Group.OUTPUT,
        "",
        "Directory that the sweep writes to.",
        required="a directory",
        path=True,
    )
    runs_per_gpu: int = option(
        Group.SWEEP,
        1,
        "Number of runs that may share a GPU at the same time. Small runs do "
        "not fill a GPU alone.",
        unit="runs",
        least=1,
        most=bounds.REPEATS,
    )
    gpus_per_run: int | None = option(
        Group.SWEEP,
        None,
        "Number of GPUs that each run uses. If it is not given, it is 1. With "
        "--strategy=mirrored on a machine with several GPUs it has to be "
        "given.",
        type=int,
        unit="gpus",
        least=1,
        most=bounds.REPEATS,
    )
    list: bool = option(
        Group.SWEEP,
        False,
        "Print each run and how far it is, and do nothing.",
    )
    dry_run: bool = option(
        Group.SWEEP,
        False,
        "Write the runs as jobs into --sweep_dir, by --format, and start none.",
    )
    format: str = option(
        Group.SWEEP,
        "commands",
        "What --dry_run writes: commands, a shell script of one line a run; "
        "slurm, the script of a job array; or ray, a Python program that "
        "gives the runs to Ray.",
        choices=tuple(job_files.FORMATS),
    )
    table: bool = option(
        Group.SWEEP,
        False,
        "Write the tables and the plot of the runs that are done, whoever did "
        "them, and start none.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format != "commands" and not self.dry_run:
            raise InputError(
                "Expected --format only with --dry_run. Received: "
                f"{self.format}."
            )
        given = [n for n in ("list", "dry_run", "table") if getattr(self, n)]
        if len(given) > 1:
            raise InputError(
                "Expected one of --list, --dry_run and --table. Received: "
                f"--{' and --'.join(given)}."
            )


def main(config: SweepConfig) -> None:
    """Does the runs of a sweep, after the flags of all runs are checked."""
    directory = pathlib.Path(config.sweep_dir)
    swept = command.COMMANDS[config.command]
    vary = grid.varied(config.vary, swept)
    first = {name: values[0] for name, values in vary.items()}
    base = from_flags(swept.config, **first)
    runs = grid.runs_of(base, vary, config.seeds, directory)
    grid.check_directories(runs)
    if config.list:
        _list(runs)
        return
    if config.dry_run:
        _write_jobs(config, directory, runs)
        return
    if config.table:
        _tabulate(directory, runs)
        return
    # Signals are heard until the tables are written, so that a signal never
    # ends this process while a training begins, runs or ends.
    interruption = Interruption()
    with interruption.heard():
        slots = _slots(config, runs)
        work = Work(runs, slots, on_end=lambda: _write(directory, runs))
        work.do(interruption)
        outcomes = [outcome_of(run.path) for run in runs]
        if any(outcome.result for outcome in outcomes):
            _conclude(directory, _write(directory, runs))
    _answer(runs, outcomes)


def _slots(config: SweepConfig, runs: Sequence[SweepRun]) -> GpuSlots:
    """Finds the GPUs without TensorFlow, which would take their memory.

    Args:
        config: The flags of the sweep.
        runs: All runs of the sweep.

    Raises:
        InputError: If a run needs more GPUs than there are, or if runs use
            --strategy=mirrored on several GPUs without --gpus_per_run.
    """
    slots = GpuSlots(
        nvidia.visible_gpus(), config.runs_per_gpu, config.gpus_per_run or 1
    )
    mirrored = any(
        getattr(run.config, "strategy", "") == "mirrored" for run in runs
    )
    if mirrored and len(slots.gpus) > 1 and config.gpus_per_run is None:
        raise InputError(
            "Expected --gpus_per_run with --strategy=mirrored, the number of "
            f"GPUs, of the {len(slots.gpus)} there are, that each run is "
            "spread over. Received none."
        )
    return slots


def _write_jobs(
    config: SweepConfig, directory: pathlib.Path, runs: Sequence[SweepRun]
) -> None:
    gpus: float = config.gpus_per_run or 1
    if gpus == 1:  # A run that has several cannot be given a part of each.
        gpus /= config.runs_per_gpu
    path = job_files.write(config.format, directory, runs, gpus)
    print(f"wrote {len(runs)} runs to {path}")


def _tabulate(directory: pathlib.Path, runs: Sequence[SweepRun]) -> None:
    outcomes = [outcome_of(run.path) for run in runs]
    done = sum(bool(outcome.result) for outcome in outcomes)
    if not done:
        raise InputError(
            "Expected at least one run with its result.json with --table. "
            f"Received: none of {len(runs)} in {directory}. --list says how "
            "far each is."
        )
    _conclude(directory, _write(directory, runs))
    if done < len(runs):
        print(f"{len(runs) - done} of {len(runs)} runs are not done.")


def _list(runs: Sequence[SweepRun]) -> None:
    width = max(len(run.name) for run in runs)
    results: list[dict[str, Any]] = []
    for run in runs:
        outcome = outcome_of(run.path)
        note = headline(outcome.result) if outcome.result else outcome.note
        print(f"{run.name:<{width}}  {outcome.state:<11}  {note}".rstrip())
        if outcome.result:
            results.append(outcome.result)
    print(provenance.footnote(results), end="")


def _write(
    directory: pathlib.Path, runs: Sequence[SweepRun]
) -> list[table.Row]:
    """Writes the table of the results so far, and returns its rows.

    It is called after each run, since a sweep may be interrupted at any time.
    """
    rows = table.rows_of(runs, [outcome_of(run.path) for run in runs])
    table.write(directory, rows, runs[0].config)
    return rows


def _conclude(directory: pathlib.Path, rows: Sequence[table.Row]) -> None:
    """Prints the table, and draws it as a plot."""
    print(f"\n{table.lines(rows)}")
    results = [result for row in rows for result in row.results]
    if note := provenance.footnote(results):
        print(note)
    if any(map(is_clustering, results)):
        print(HOW_TO_READ)
    written = ["table.md", "table.csv"]
    helped = {row.is_helped for row in rows}
    mark = f"{provenance.MARK} " if len(helped) > 1 else ""
    title = directory.name
    if True in helped:
        title += f" ({mark}{provenance.HELPED})"
    # Values that all share the mark are drawn without it: numbers stay numbers.
    series = [
        Series(row.shown if mark else row.values, gather(row.results))
        for row in rows
    ]
    plot = figures.comparison_array(series, title)
    if plot is not None:
        figures.save_png(plot, directory / "plot.png")
        written.append("plot.png")
    print(f"wrote {', '.join(written)} in {directory}/")


def _answer(runs: Sequence[SweepRun], outcomes: Sequence[Outcome]) -> None:
    """Prints how many runs other processes are doing, and reports failures.

    Args:
        runs: All runs of the sweep.
        outcomes: The outcome of each run.

    Raises:
        InputError: If any run failed or ended early.
    """
    failed, left = [], 0
    for run, outcome in zip(runs, outcomes, strict=True):
        if outcome.state == "running":
            left += 1
        elif outcome.state != "done":
            failed.append(f"{run.path}: {outcome.note or outcome.state}")
    if left:
        print(
            f"Other processes are doing {left} of the {len(runs)} runs. The "
            "table is complete once the last of them has written it."
        )
    if failed:
        raise InputError(
            f"{len(failed)} of {len(runs)} runs failed. The log.txt of each "
            "tells more. The same command tries them again.",
            *failed,
        )


if __name__ == "__main__":
    swept_config = command.named_in(sys.argv).config
    cli.run(main, SweepConfig, besides=[swept_config])
