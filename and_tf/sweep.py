"""Does every combination of some flags' values, each with several seeds.

    python -m and_tf.sweep --flagfile=configs/small_cifar10.flags \\
        --vary=neighbourhood_size=1,5,10 --vary=selection=curriculum,one_off \\
        --seeds=3 --sweep_dir=sweeps/k

Any flag of `and_tf.train` holds for all runs. With --command=cluster, flags
are those of `and_tf.cluster`, and what differs are clusterings of one run, or
of several:

    python -m and_tf.sweep --command=cluster --vary=neighbours=5,20,50 \\
        --flagfile=configs/scan_cifar10.flags --run_dir=runs/cifar10 \\
        --seeds=3 --sweep_dir=sweeps/scan_k

Each is an ordinary run directory, sweeps/k/<flag=value,…>/seed_<s>/, made by
a process of its own, which prints to log.txt there. The same command goes on
after an interruption, and may run several times at once, on several machines
too: every run is done by one of them. It writes table.md and table.csv after
every run, and plot.png at the end.

On a machine with NVIDIA GPUs, as many runs are in progress as there are GPUs,
and each sees its own alone. CUDA_VISIBLE_DEVICES says which of them a sweep may
use; all if it is not set, none if it is empty. --runs_per_gpu=2 lets two small
runs share a GPU, --gpus_per_run=2 gives each run two, for --strategy=mirrored.
Several sweeps of one user on a machine keep to what the others leave free.
Without GPUs the runs are done one after another.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from absl import flags

from and_tf.distribution import nvidia
from and_tf.figures import comparison
from and_tf.sweeping import command, grid, table
from and_tf.sweeping.gpu_slots import GpuSlots
from and_tf.sweeping.grid import SweepRun
from and_tf.sweeping.metrics import HOW_TO_READ, gather, headline, is_clustering
from and_tf.sweeping.run_status import Outcome, outcome_of
from and_tf.sweeping.scheduler import Work
from and_tf.training.config import define_flags, from_flags
from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError

_COMMAND = flags.DEFINE_enum(
    "command",
    command.TRAIN.name,
    list(command.COMMANDS),
    "What is swept: trainings, or clusterings of trained runs.",
)
_VARY = flags.DEFINE_multi_string(
    "vary", [], "flag=value,value,… of a flag of --command; repeatable."
)
_SEEDS = bounds.define_number(
    "seeds", 1, "How many, from --seed on.", least=1, most=bounds.REPEATS
)
_SWEEP_DIR = paths.define("sweep_dir", "", "What the sweep writes to.")
_RUNS_PER_GPU = bounds.define_number(
    "runs_per_gpu",
    1,
    "How many runs may share a GPU at the same time.",
    least=1,
    most=bounds.REPEATS,
)
_GPUS_PER_RUN = bounds.define_number(
    "gpus_per_run",
    1,
    "How many GPUs each run is given.",
    least=1,
    most=bounds.REPEATS,
)
_LIST = flags.DEFINE_bool(
    "list", False, "Say what would be done, and what is; do nothing."
)


def main(argv: Sequence[str]) -> None:
    """Reads the flags; nothing starts before all of them are checked."""
    del argv
    if not _SWEEP_DIR.value:
        raise InputError("Expected --sweep_dir, a directory. Received none.")
    directory = pathlib.Path(_SWEEP_DIR.value)
    swept = command.COMMANDS[_COMMAND.value]
    vary = grid.varied(_VARY.value, swept)
    first = {name: values[0] for name, values in vary.items()}
    base = from_flags(swept.config, **first)
    runs = grid.runs_of(base, vary, _SEEDS.value, directory)
    grid.check_directories(runs)
    if _LIST.value:
        _list(runs)
        return
    slots = _slots(runs)
    Work(runs, slots, on_end=lambda: _write(directory, runs)).do()
    outcomes = [outcome_of(run.path) for run in runs]
    if any(outcome.result for outcome in outcomes):
        _conclude(directory, _write(directory, runs))
    _answer(runs, outcomes)


def _slots(runs: Sequence[SweepRun]) -> GpuSlots:
    """Finds the GPUs, without TensorFlow, which would take their memory.

    Raises:
        InputError: If runs want more GPUs than there are, or are to be spread
            over GPUs without being given a number of them.
    """
    slots = GpuSlots(
        nvidia.visible_gpus(), _RUNS_PER_GPU.value, _GPUS_PER_RUN.value
    )
    mirrored = any(
        getattr(run.config, "strategy", "") == "mirrored" for run in runs
    )
    if mirrored and len(slots.gpus) > 1 and not _GPUS_PER_RUN.present:
        raise InputError(
            f"Expected --gpus_per_run with --strategy=mirrored: over how many "
            f"of the {len(slots.gpus)} GPUs is each run spread? Received none."
        )
    return slots


def _list(runs: Sequence[SweepRun]) -> None:
    width = max(len(run.name) for run in runs)
    for run in runs:
        outcome = outcome_of(run.path)
        note = headline(outcome.result) if outcome.result else outcome.note
        print(f"{run.name:<{width}}  {outcome.state:<11}  {note}".rstrip())


def _write(
    directory: pathlib.Path, runs: Sequence[SweepRun]
) -> list[table.Row]:
    """Writes the table of what there is.

    After each run, as it may be the last that an interrupted sweep comes to.
    """
    rows = table.rows_of(runs, [outcome_of(run.path) for run in runs])
    table.write(directory, rows, runs[0].config)
    return rows


def _conclude(directory: pathlib.Path, rows: Sequence[table.Row]) -> None:
    """Shows the table, and draws it."""
    print(f"\n{table.lines(rows)}")
    if any(is_clustering(result) for row in rows for result in row.results):
        print(HOW_TO_READ)
    written = ["table.md", "table.csv"]
    series = [
        comparison.Series(row.values, gather(row.results)) for row in rows
    ]
    if comparison.compare(series, directory / "plot.png", directory.name):
        written.append("plot.png")
    print(f"wrote {', '.join(written)} in {directory}/")


def _answer(runs: Sequence[SweepRun], outcomes: Sequence[Outcome]) -> None:
    """Says what is missing.

    Raises:
        InputError: If runs have failed, or ended early.
    """
    failed, left = [], 0
    for run, outcome in zip(runs, outcomes, strict=True):
        if outcome.state == "running":
            left += 1
        elif outcome.state != "done":
            note = outcome.note or outcome.state
            failed.append(f"\n  {run.path}: {note}")
    if left:
        print(
            f"{left} of {len(runs)} runs are with other processes. The table "
            "is whole once the last of these has written it."
        )
    if failed:
        raise InputError(
            f"Expected {len(runs)} runs to end well. Received: {len(failed)} "
            f"that failed; log.txt there tells more.{''.join(failed)}"
        )


if __name__ == "__main__":
    define_flags(command.named_in(sys.argv).config)
    cli.run(main)
