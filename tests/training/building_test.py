"""Whole runs of what is no AND: the same directory, and all that reads it."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest

from and_tf import protocols
from and_tf.evaluation.embeddings import embed
from and_tf.protocols.config import Options
from and_tf.training import trained, trainer
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError
from export.embeddings import gallery
from export.serving import saved_model_writer
from export.serving.servable import Options as Outputs
from tests.same_run import assert_same_run
from tests.small_run import digits, folder, interrupted

PRETEXTS = ("supervised", "rotation")
PLAN = {"rounds": 0, "initial_epochs": 2, "checkpoint_steps": 2}


@pytest.fixture(scope="module", params=PRETEXTS)
def finished(request, tmp_path_factory):
    """One finished run, and its result."""
    path = tmp_path_factory.mktemp("finished")
    config = digits(path, pretext=request.param, **PLAN)
    return config, trainer.train(config)


def test_resumed_run_is_the_same_run(finished, tmp_path, monkeypatch):
    config = digits(tmp_path, pretext=finished[0].pretext, **PLAN)
    interrupted(config, 1, monkeypatch, 3)
    parts = RunDirectory(config.run_directory)
    kept = parts.checkpoints.latest()
    assert (kept.epochs, kept.step) == (1, 2)
    trainer.train(dataclasses.replace(config, resume=True))
    assert_same_run(RunDirectory(finished[0].run_directory), parts)


def test_result_says_what_trained_it(finished):
    config, result = finished
    directory = RunDirectory(config.run_directory)
    assert json.loads(directory.result.read_text()) == result
    assert result["pretext"] == config.pretext
    assert result["uses_labels"] == (config.pretext == "supervised")
    assert result["knn_top1_best"] is None and result["neighbourhoods"] == []
    assert result["knn_top1_last"] > 0.3  # A tenth is chance.
    with open(directory.metrics, newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["accuracy"]) == result["train_accuracy"] > 0.25
    assert all(row["knn_clean"] and not row["knn_bank"] for row in rows)
    assert directory.curves.exists()


def test_the_classifiers_own_accuracy_is_of_test_images(finished):
    config, result = finished
    if config.pretext == "rotation":
        assert result["classifier_top1"] is None
        return
    again = trained.load(config.run_directory)
    w = np.asarray(again.model.classifier.directions)
    w = w / np.linalg.norm(w, axis=1, keepdims=True)
    told = (again.query_embeddings @ w.T).argmax(1)
    right = told == again.images.test.labels
    assert result["classifier_top1"] == right.mean()


def test_the_table_says_whether_labels_were_used(finished, capsys):
    config, result = finished
    trainer.train(dataclasses.replace(config, resume=True))
    printed = capsys.readouterr().out
    name = {"supervised": "supervised, uses labels", "rotation": "rotation"}
    (line,) = (
        x for x in printed.splitlines() if x.startswith(name[config.pretext])
    )
    assert f"{100 * result['knn_top1_last']:.1f} %" in line
    assert f"{100 * result['train_accuracy']:.1f} %" in line
    assert ("uses labels" in printed) == result["uses_labels"]
    assert "neighbourhoods" not in printed


def test_is_evaluated_but_where_a_bank_is_needed(finished):
    config, result = finished
    again = trained.load(config.run_directory)
    assert again.config.pretext == config.pretext
    assert again.train_embeddings.shape == (450, 32)
    figures = protocols.evaluate(
        again, ["knn", "linear", "embedding"], Options(linear_epochs=1)
    )
    assert figures["knn"]["clean_top1"] == result["knn_top1_last"]
    assert "bank_top1" not in figures["knn"]
    with pytest.raises(InputError, match="--knn_gallery=clean"):
        protocols.evaluate(again, ["knn"], Options(knn_gallery="bank"))
    with pytest.raises(InputError, match="Expected a round or more"):
        protocols.evaluate(again, ["neighbourhoods"])
    with pytest.raises(InputError, match="Expected a run with a memory bank"):
        protocols.evaluate(again, ["attention"])
    with pytest.raises(InputError, match="for --checkpoint=best"):
        trained.load(config.run_directory, which="best")


def test_is_exported_but_not_its_bank(finished, tmp_path):
    encoder = trained.load_encoder(finished[0].run_directory)
    version = saved_model_writer.export(encoder, tmp_path, Outputs())
    about = json.loads(
        (version / saved_model_writer.EXTRA / "encoder.json").read_text()
    )
    assert about["pretext"] == finished[0].pretext
    images = trained.load_images(encoder.config).test
    np.testing.assert_allclose(
        embed(encoder.encoder, images, 8),
        trained.load(finished[0].run_directory).query_embeddings,
        atol=1e-5,
    )
    with pytest.raises(InputError, match="with a memory bank.*--gallery=clean"):
        gallery.read(encoder, "bank")


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_refuses_rounds(tmp_path, pretext):
    with pytest.raises(InputError, match="--rounds=0 with.*Received: 2. Give"):
        digits(tmp_path, pretext=pretext)


def test_refuses_to_learn_from_labels_that_are_not_there(tmp_path):
    config = digits(
        tmp_path,
        pretext="supervised",
        dataset="folder",
        data_dir=folder(tmp_path / "images", False, False),
        image_size=8,
        batch_size=8,
        max_train_examples=0,
        **PLAN,
    )
    with pytest.raises(InputError, match="Expected labels for --pretext=sup"):
        trainer.train(config)


def test_clusters_are_found_again_by_a_resumed_run(tmp_path, monkeypatch):
    changes = {
        "selection": "clusters",
        "clusters": 9,
        "neighbourhood_size": 3,
        "rounds": 2,
        "epochs_per_round": 1,
    }
    whole = digits(tmp_path, "whole", **changes)
    result = trainer.train(whole)
    first, *later = result["neighbourhoods"]
    assert first["selected"] == 0
    assert all(400 < row["selected"] <= 450 for row in later)
    config = digits(tmp_path, **changes)
    interrupted(config, 2, monkeypatch)  # Where its second round begins.
    trainer.train(dataclasses.replace(config, resume=True))
    assert_same_run(
        RunDirectory(whole.run_directory), RunDirectory(config.run_directory)
    )


def test_refuses_too_many_clusters_before_it_trains(tmp_path):
    config = digits(tmp_path, selection="clusters", clusters=451)
    with pytest.raises(InputError, match="from 2 to 450.*Received: 451"):
        trainer.train(config)
    assert not RunDirectory(config.run_directory).checkpoints.paths()
