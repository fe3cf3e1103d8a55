"""Which run of a sweep another one can start from, to be done sooner.

Runs that differ in their rounds alone share their instance learning: the
first of them to have done it lends it to the others. On a CPU each is to the
bit what it would be alone; on a GPU they are at least compared from one start.
"""

from __future__ import annotations

import dataclasses
import pathlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence

from and_tf.sweeping.grid import SweepRun
from and_tf.training.config import TrainConfig
from and_tf.utils.archives import DAMAGE
from and_tf.utils.checkpoint_names import file_name


def started(run: SweepRun, runs: Sequence[SweepRun]) -> SweepRun:
    """The run, told to start from another one where there is one.

    Args:
        run: About to be begun, or gone on with.
        runs: All of the sweep.
    """
    config = run.config
    if not isinstance(config, TrainConfig) or config.start_from:
        return run
    if not config.first_round_epochs:
        return run
    for other in runs:
        if other.path != run.path and _lends(other, config):
            config = dataclasses.replace(config, start_from=str(other.path))
            return dataclasses.replace(run, config=config)
    return run


def in_order(
    runs: Iterable[SweepRun],
    in_progress: Sequence[SweepRun],
    whole: Sequence[SweepRun],
) -> Iterator[SweepRun]:
    """Yields runs, those last that would repeat what is being done right now.

    A run whose instance learning another one is just doing could start from
    that one later. It is begun all the same if nothing else is left: a GPU
    that waits would be done no sooner.

    Args:
        runs: To be begun, in the order of the sweep.
        in_progress: Those that this process is doing.
        whole: All of the sweep.
    """
    put_off = []
    for run in runs:
        if any(_share(run, other) for other in in_progress):
            if started(run, whole) is run:
                put_off.append(run)
                continue
        yield run
    yield from put_off


def _share(run: SweepRun, other: SweepRun) -> bool:
    """Whether two runs begin with the very same instance learning."""
    one, another = run.config, other.config
    if not isinstance(one, TrainConfig) or one.start_from:
        return False
    if not one.first_round_epochs:
        return False
    return not one.instance_differences(another)


def _lends(other: SweepRun, config: TrainConfig) -> bool:
    """Whether a run has done the very instance learning, and kept its end."""
    if config.instance_differences(other.config):
        return False
    kept = file_name(config.first_round_epochs)
    return _is_whole(other.path / "checkpoints" / kept)


def _is_whole(path: pathlib.Path) -> bool:
    """Whether a checkpoint is there and, by its checksums, undamaged."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except DAMAGE:
        return False
