"""Runs that start from another's instance learning, against whole ones."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from and_tf.training import trainer
from and_tf.training.experiment import rounds_of
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError
from tests.same_run import assert_same_run
from tests.small_run import digits


@pytest.fixture(scope="module")
def donor(finished):
    """A finished run, and its directory's path."""
    return finished[0], str(finished[0].run_directory)


def contents(directory: str) -> dict[pathlib.Path, bytes]:
    """Reads all files of a directory."""
    paths = pathlib.Path(directory).rglob("*")
    return {path: path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"neighbourhood_size": 3, "rounds": 1, "selection": "one_off"},
        {"rounds": 0},
        {"epochs_per_round": 1, "initial_epochs": 2},
    ],
)
def test_is_the_run_that_it_would_be_alone(donor, tmp_path, changes):
    alone = donor[0]
    if changes:
        alone = digits(tmp_path, "alone", **changes)
        trainer.train(alone)
    before = contents(donor[1])
    started = digits(tmp_path, "started", start_from=donor[1], **changes)
    trainer.train(started)
    assert_same_run(*(RunDirectory(c.run_directory) for c in (alone, started)))
    assert contents(donor[1]) == before


def test_starts_once(donor, tmp_path):
    """What was interrupted goes on from its own, the other gone or not."""
    path = shutil.copytree(donor[1], tmp_path / "donor")
    config = digits(tmp_path, start_from=str(path), rounds=1)
    result = trainer.train(config)
    shutil.rmtree(path)
    assert trainer.train(dataclasses.replace(config, resume=True)) == result


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.2}, r"--temperature=0.1. Received: --temperature=0"),
        ({"seed": 1}, "--seed=0. Received: --seed=1"),
        ({"initial_epochs": 3}, "--initial_epochs=2. Received: --initial_.*=3"),
        ({"epochs_per_round": 3}, "=2. Received: --initial_epochs=3"),
    ],
)
def test_other_instance_learning_is_refused(donor, tmp_path, changes, message):
    config = digits(tmp_path, start_from=donor[1], **changes)
    with pytest.raises(InputError, match=message):
        trainer.train(config)
    # And the directory is still to be had.
    assert not RunDirectory(config.run_directory).flagfile.exists()


def test_what_is_no_run_or_has_no_such_end_is_refused(donor, tmp_path):
    with pytest.raises(InputError, match="which has none. Train one"):
        trainer.train(digits(tmp_path, start_from=str(tmp_path)))
    path = shutil.copytree(donor[1], tmp_path / "donor")
    (path / "checkpoints" / "epoch_00002.npz").unlink()
    with pytest.raises(InputError, match="checkpoint of round 0's end"):
        trainer.train(digits(tmp_path, start_from=str(path)))
    none = {"initial_epochs": 0}
    short = {"rounds": 1, "epochs_per_round": 1, "baselines": False}
    trainer.train(digits(tmp_path, "none", **none, **short))
    with pytest.raises(InputError, match="Leave --start_from out"):
        trainer.train(
            digits(tmp_path, start_from=str(tmp_path / "none"), **none)
        )


def test_has_its_own_number_of_neighbours_from_the_first_step(donor, tmp_path):
    config = digits(tmp_path, start_from=donor[1], neighbourhood_size=4)
    trainer.train(dataclasses.replace(config, rounds=0))
    kept = RunDirectory(config.run_directory).checkpoints.latest()
    assert kept.arrays("method")[1].shape == (450, 4)
    theirs = RunDirectory(donor[0].run_directory)
    assert np.array_equal(
        kept.arrays("encoder")[0],
        theirs.checkpoints.of_round(0, rounds_of(donor[0])).arrays("encoder")[
            0
        ],
    )
