"""Encoders that clustering does not start from."""

from __future__ import annotations

import pathlib
import shutil

import numpy as np
import pytest

from and_tf import encoders
from and_tf.distribution.process_group import ProcessGroup
from and_tf.scan import pretrained
from and_tf.scan.config import ClusterConfig
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from tests.small_run import digits, interrupted


@pytest.fixture
def copy(source, tmp_path) -> pathlib.Path:
    shutil.copytree(source, tmp_path / "run")
    return tmp_path / "run"


def change(path: pathlib.Path, edit) -> None:
    """Edits the arrays of all of a run's checkpoints."""
    for file in (path / "checkpoints").glob("*.npz"):
        with np.load(file) as data:
            arrays = dict(data)
        edit(arrays)
        np.savez(file, **arrays)


def load(path: pathlib.Path) -> Run:
    return pretrained.load(ClusterConfig(run_dir=str(path)), ProcessGroup())


def test_takes_a_trained_one(copy):
    found = load(copy)
    assert pretrained.identity(found)["epochs"] == 2
    assert found.queries.name == "digits/test"


def test_refuses_one_without_a_checkpoint(copy):
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(InputError, match="Expected a checkpoint"):
        load(copy)


def test_refuses_one_that_did_not_finish_an_epoch(tmp_path, monkeypatch):
    config = digits(tmp_path, checkpoint_steps=2)
    interrupted(config, 0, monkeypatch, step=3)
    with pytest.raises(InputError, match="not finished an epoch"):
        load(config.run_directory)


def test_refuses_missing_weights(copy):
    def drop(arrays):
        del arrays[next(k for k in arrays if k.startswith("encoder/0003"))]

    change(copy, drop)
    with pytest.raises(InputError, match="Received only damaged ones"):
        load(copy)


def test_refuses_weights_of_another_shape(copy):
    def widen(arrays):
        name = next(k for k in arrays if "projection/kernel" in k)
        arrays[name] = np.pad(arrays[name], [(0, 1), (0, 0)])

    change(copy, widen)
    with pytest.raises(InputError, match="of shape"):
        load(copy)


def test_refuses_weights_that_are_no_numbers(copy):
    def spoil(arrays):
        name = next(k for k in arrays if "projection/kernel" in k)
        arrays[name][0] = np.nan

    change(copy, spoil)
    with pytest.raises(InputError, match="weights that are NaN or inf"):
        load(copy)


def test_refuses_a_random_encoder_in_a_trained_ones_place(copy):
    """As if the weights had been saved before, or never loaded."""
    run = Run(copy)
    fresh = encoders.build(**run.checkpoint.metadata["encoder"])

    def forget(arrays):
        names = [k for k in arrays if k.startswith("encoder/")]
        for name, variable in zip(names, fresh.variables, strict=True):
            arrays[name] = np.asarray(variable)

    change(copy, forget)
    with pytest.raises(InputError, match="has seen no image"):
        load(copy)


def test_refuses_what_was_not_really_loaded(copy, monkeypatch):
    restore = Checkpoint.restore

    def forgetful(self, group, variables):
        restore(self, group, variables)
        variables[0].assign(variables[0] * 1.001)

    monkeypatch.setattr(Checkpoint, "restore", forgetful)
    with pytest.raises(InputError, match="other than those in the file"):
        load(copy)
