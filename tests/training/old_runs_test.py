"""What version a8e8da2 left behind is gone on with, and read."""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import shutil

import keras
import numpy as np
import pytest

import and_tf
from and_tf.scan.clustering import Clustering, is_clustering
from and_tf.training import trainer
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from export import exportable
from export.serving import saved_model_writer
from export.serving.servable import Options
from tests.method.model_test import mlp
from tests.same_run import assert_same_arrays
from tests.small_clustering import cluster
from tests.small_run import evaluate_knn

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures" / "int32_neighbours"
# Another processor's convolutions round elsewhere, and some steps enlarge it.
ANOTHER_PROCESSOR = 2e-3
QUERIES = 60


@pytest.fixture
def old(tmp_path, monkeypatch) -> pathlib.Path:
    """Copies, and the directory from which they were made."""
    path = tmp_path / "runs"
    shutil.copytree(FIXTURES, path)
    monkeypatch.chdir(path)  # A clustering names its run from there.
    return path


def resume(path: pathlib.Path) -> RunDirectory:
    directory = RunDirectory(path)
    config = dataclasses.replace(
        directory.config(), run_dir=str(path), resume=True
    )
    trainer.train(config)
    return directory


@pytest.fixture(scope="module")
def gone_on(tmp_path_factory) -> RunDirectory:
    """The interrupted run, trained to its end."""
    path = tmp_path_factory.mktemp("gone_on") / "run"
    shutil.copytree(FIXTURES / "interrupted", path)
    return resume(path)


def test_neighbours_of_int32_are_restored_as_int64():
    (path,) = (FIXTURES / "finished" / "checkpoints").glob("*.npz")
    found = Checkpoint(path)
    rows, neighbours, is_anchor = found.arrays("method")
    assert neighbours.dtype == np.int32 and neighbours.any()
    model = and_tf.AND(mlp(5, 6, 8), len(rows))
    found.restore("method", model.method_variables)
    for variable, array in zip(
        model.method_variables, (rows, neighbours, is_anchor), strict=True
    ):
        np.testing.assert_array_equal(variable, array)
    assert keras.backend.standardize_dtype(model.neighbours.dtype) == "int64"


def test_an_interrupted_run_is_gone_on_with(gone_on):
    expected, received = RunDirectory(FIXTURES / "finished"), gone_on
    one, two = (d.checkpoints.latest() for d in (expected, received))
    assert (two.epochs, two.step) == (one.epochs, one.step) == (6, 0)
    for group in ("encoder", "optimiser", "metrics"):
        for wanted, found in zip(
            one.arrays(group), two.arrays(group), strict=True
        ):
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(
                found, wanted, rtol=ANOTHER_PROCESSOR, atol=ANOTHER_PROCESSOR
            )
    rows, neighbours, is_anchor = two.arrays("method")
    assert neighbours.dtype == np.int64
    np.testing.assert_allclose(
        rows, one.arrays("method")[0], atol=ANOTHER_PROCESSOR
    )
    # Of near equals another may be the nearest.
    assert (neighbours == one.arrays("method")[1]).mean() > 0.9
    np.testing.assert_array_equal(is_anchor, one.arrays("method")[2])
    rows_of = [
        list(csv.DictReader(directory.metrics.read_text().splitlines()))
        for directory in (expected, received)
    ]
    for wanted, found in zip(*rows_of, strict=True):
        assert float(found["loss"]) == pytest.approx(
            float(wanted["loss"]), abs=ANOTHER_PROCESSOR
        )
        for name in ("epoch", "round", "anchors", "learning_rate"):
            assert found[name] == wanted[name]


def test_it_goes_on_as_if_this_version_had_written_it(gone_on, tmp_path):
    """To the bit: whether neighbours were kept as int32 or as int64."""
    shutil.copytree(FIXTURES / "interrupted", tmp_path / "run")
    (path,) = (tmp_path / "run" / "checkpoints").glob("*.npz")
    with np.load(path) as arrays:
        new = {
            name: array.astype(np.int64) if array.dtype == np.int32 else array
            for name, array in arrays.items()
        }
    np.savez(path, **new)
    again = resume(tmp_path / "run")
    assert_same_arrays(*(d.checkpoints.paths()[-1] for d in (gone_on, again)))


def test_a_finished_run_is_evaluated(old):
    directory = RunDirectory(old / "finished")
    result = directory.read_result()
    figures = evaluate_knn(Run(directory.path))
    for name, wanted in (("clean", "last"), ("bank", "best")):
        # One image in a hundred may lie between two classes.
        assert figures[f"{name}_top1"] == pytest.approx(
            result[f"knn_top1_{wanted}"], abs=1.5 / QUERIES
        )


def test_a_finished_run_is_clustered_and_exported(old):
    output = cluster(old / "finished", old / "new", epochs=1, freeze=True)
    assert (output / "result.json").is_file()
    version = saved_model_writer.export(
        exportable.load(old / "finished"), old / "exported", Options()
    )
    assert (version / "saved_model.pb").is_file()


def test_the_kind_of_a_directory_is_known(old):
    """From a checkpoint, or without one from the flags."""
    for name, kind in (("clustering", True), ("interrupted", False)):
        assert is_clustering(old / name) == kind
        shutil.rmtree(old / name / "checkpoints")
        assert is_clustering(old / name) == kind
    assert not is_clustering(old / "nothing")


def test_a_clustering_is_read_and_exported(old):
    images = Run(old / "finished").images
    found = Clustering(old / "clustering")
    assert found.scan.heads == 2
    assert found.scan.predict(images.test.images, verbose=0).shape == (60, 20)
    version = saved_model_writer.export(
        exportable.load(old / "clustering"), old / "exported", Options()
    )
    assert (version / "saved_model.pb").is_file()
