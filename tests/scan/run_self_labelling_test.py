"""Whole clusterings of seconds that go on by their own sure answers."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil

import numpy as np
import pytest

from and_tf.scan import classifier, train_callbacks, trainer
from and_tf.scan.directory import ClusterDirectory
from and_tf.training import trained
from and_tf.utils.errors import InputError
from tests.same_run import rows_of
from tests.scan.same_clustering import assert_same
from tests.small_run import Stop


@pytest.fixture(scope="module")
def labelled(config, tmp_path_factory):
    """One with self-labelling: its config, result and directory."""
    made = config(
        tmp_path_factory.mktemp("labelled") / "scan",
        epochs=1, self_labelling_epochs=2, self_labelling_batch_size=100,
        threshold=0.2, ema=0.9, learning_rate=1e-2,
    )  # fmt: skip
    return made, trainer.cluster(made), ClusterDirectory(made.output_directory)


def test_self_labelling_comes_after(labelled, capsys):
    config, result, directory = labelled
    rows = rows_of(directory.metrics)
    assert [row["stage"] for row in rows] == ["", *["self_labelling"] * 2]
    assert {row["head"] for row in rows} == {str(result["head"])}
    assert 0 < float(rows[-1]["confident"]) <= 1
    assert result["after_clustering"]["acc"] == float(rows[0]["acc"])
    assert result["acc"] == float(rows[-1]["acc"])
    assert result["self_labelling"]["epochs"] == 2
    assert len(result["head_losses"]) == config.heads
    trainer.cluster(dataclasses.replace(config, resume=True))
    printed = capsys.readouterr().out
    for of, name in (
        (result["after_clustering"], "SCAN"), (result, "[+] self-labelling")
    ):  # fmt: skip
        assert re.search(rf"{name} +{100 * of['acc']:.1f} %", printed)


def test_the_classifier_is_the_average(labelled):
    config, result, directory = labelled
    found = classifier.load(directory.path)
    test = trained.load(pathlib.Path(config.run_dir)).images.test
    probabilities = found.model.predict(test.images, verbose=0)
    sizes = np.bincount(probabilities.argmax(1), minlength=10)
    assert sizes.tolist() == result["cluster_sizes"]


@pytest.mark.parametrize("place", [(1, 1), (2, 3)])
def test_resumed_self_labelling_is_the_same(
    labelled, tmp_path, monkeypatch, place
):
    """From its beginning, and from within an epoch of it."""
    config = dataclasses.replace(
        labelled[0], output_dir=str(tmp_path / "scan"), checkpoint_steps=2
    )
    with monkeypatch.context() as patch:
        patch.setattr(
            train_callbacks, "Progress", lambda *_, **__: Stop(*place)
        )
        with pytest.raises(Stop.Interruption):
            trainer.cluster(config)
    trainer.cluster(dataclasses.replace(config, resume=True))
    parts = ClusterDirectory(config.output_directory)
    assert_same(labelled[2], parts)
    keys = "after_clustering", "clustering", "self_labelling"
    for key in keys:
        assert labelled[1][key] == parts.read_result()[key]


def test_self_labelling_goes_on_as_it_began(labelled):
    other = dataclasses.replace(labelled[0], resume=True, threshold=0.3)
    with pytest.raises(InputError, match="threshold 0.2 .now 0.3."):
        trainer.cluster(other)


def test_nothing_confident_is_said_and_may_be_mended(
    finished, tmp_path, capsys
):
    """A clustering goes on by self-labelling, whatever was said of it."""
    shutil.copytree(finished[2].path, tmp_path / "scan")
    config = dataclasses.replace(
        finished[0], output_dir=str(tmp_path / "scan"), resume=True,
        self_labelling_epochs=9, threshold=1.0,
    )  # fmt: skip
    result = trainer.cluster(config)
    assert result["self_labelling"]["ended"] == "unsure"
    assert result["acc"] == finished[1]["acc"]
    assert "Lower --threshold" in capsys.readouterr().out
    result = trainer.cluster(
        dataclasses.replace(config, threshold=0.01, patience=1)
    )
    # All are confident from the beginning, so the share cannot grow.
    assert result["self_labelling"]["epochs"] == 2
    assert result["self_labelling"]["ended"] == "settled"
    assert "no longer grew" in capsys.readouterr().out
