"""Which run of a sweep starts from which."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from and_tf.scan.config import ClusterConfig
from and_tf.sweeping.command import CLUSTER
from and_tf.sweeping.donors import in_order, started
from and_tf.sweeping.grid import SweepRun, runs_of, varied
from and_tf.training.config import TrainConfig
from and_tf.utils.checkpoint_names import file_name

BASE = TrainConfig(dataset="digits", initial_epochs=3)


def sweep(path: pathlib.Path, *vary: str) -> list[SweepRun]:
    return runs_of(BASE, varied(vary), 2, path)


def learn(run: SweepRun) -> pathlib.Path:
    """Leaves what instance learning leaves behind."""
    path = run.path / "checkpoints" / file_name(3)
    path.parent.mkdir(parents=True)
    np.savez(path, weights=np.arange(1000))
    return path


def test_starts_from_one_that_differs_in_rounds_alone(tmp_path):
    runs = sweep(tmp_path, "rounds=1,2")
    one, two = (run for run in runs if run.config.seed == 0)
    assert started(one, runs) == one
    learn(one)
    assert started(two, runs).config.start_from == str(one.path)
    assert started(one, runs) == one  # Not from itself,
    other = next(run for run in runs if run.config.seed == 1)
    assert started(other, runs) == other  # nor with another seed.


@pytest.mark.parametrize("vary", ["learning_rate=0.1,0.2", "temperature=1,2"])
def test_never_from_one_that_learnt_otherwise(tmp_path, vary):
    runs = sweep(tmp_path, vary)
    learn(runs[0])
    assert all(started(run, runs) == run for run in runs)


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_never_from_what_is_damaged(tmp_path, damage):
    runs = sweep(tmp_path, "rounds=1,2")
    path = learn(runs[0])
    content = bytearray(path.read_bytes())
    content[500] ^= 255
    path.write_bytes(
        {"cut": content[:700], "changed": content, "emptied": b""}[damage]
    )
    assert all(started(run, runs) == run for run in runs)


def test_what_another_is_learning_is_not_learnt_beside_it(tmp_path):
    """It comes last; nothing is left out, and nothing else moves."""
    runs = sweep(tmp_path, "rounds=1,2", "temperature=1,2")
    assert list(in_order(runs, [], runs)) == runs
    first, *others = runs
    shares = next(
        run
        for run in others
        if run.config
        == dataclasses.replace(
            first.config, rounds=2, run_dir=run.config.run_dir
        )
    )
    rest = [run for run in others if run is not shares]
    assert list(in_order(others, [first], runs)) == [*rest, shares]
    learn(first)  # From now on the other can start from it.
    assert list(in_order(others, [first], runs)) == others


def test_clusterings_share_no_learning(tmp_path):
    base = ClusterConfig(run_dir="runs/x")
    runs = runs_of(base, varied(["clusters=5,10"], CLUSTER), 1, tmp_path)
    assert list(in_order(runs[1:], runs[:1], runs)) == runs[1:]
