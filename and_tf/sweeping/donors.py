"""Finds a run of a sweep that another run can start from, to save time.

Runs that differ only in their rounds share their instance learning: the first
of them to finish it lends its checkpoint to the others. On a CPU the results
are identical to the bit; on a GPU the runs at least share the same start.
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
    """Returns a run, with `start_from` set if another run can be reused.

    Args:
        run: The run that is about to begin or to be resumed.
        runs: All runs of the sweep.
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
    """Yields runs, and last those that would repeat work in progress.

    If another run is doing the instance learning of a run at the moment, the
    run could start from that one later. It still begins now if no other run is
    left, as the sweep would not finish earlier with an idle GPU.

    Args:
        runs: The runs to begin, in the order of the sweep.
        in_progress: The runs that this process is doing.
        whole: All runs of the sweep.
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
    """Returns whether two runs begin with the same instance learning."""
    one, another = run.config, other.config
    if not isinstance(one, TrainConfig) or one.start_from:
        return False
    assert isinstance(another, TrainConfig)  # As those of all runs are.
    if not one.first_round_epochs:
        return False
    return not one.instance_differences(another)


def _lends(other: SweepRun, config: TrainConfig) -> bool:
    """Returns whether a run has the checkpoint of this instance learning."""
    assert isinstance(other.config, TrainConfig)  # As those of all runs are.
    if config.instance_differences(other.config):
        return False
    kept = file_name(config.first_round_epochs)
    return _is_whole(other.path / "checkpoints" / kept)


def _is_whole(path: pathlib.Path) -> bool:
    """Returns whether a checkpoint exists and has valid checksums."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except DAMAGE:
        return False
