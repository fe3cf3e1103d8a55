"""Attention over a run's rounds: which checkpoints, images and figures."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from and_tf import protocols
from and_tf.data.pipeline import clean_batches
from and_tf.data.split import ImageData, in_memory
from and_tf.evaluation.grad_cam import GradCam
from and_tf.figures.attention_grid import SIDE
from and_tf.protocols import attention
from and_tf.protocols.config import Options
from and_tf.training import trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from tests.figures.attention_grid_test import corners
from tests.small_run import digits, folder, trained_once

FEW = Options(attention_count=3, attention_measured=40)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainConfig:
    """Of a finished run: instance learning and two rounds of two epochs."""
    return trained_once(tmp_path_factory)[0]


@pytest.fixture
def copy(config, tmp_path) -> pathlib.Path:
    """The run's directory, that a test may change."""
    return shutil.copytree(config.run_directory, tmp_path / "copy")


def find(loaded: Run, options: Options = FEW) -> dict:
    return protocols.evaluate(loaded, ["attention"], options)["attention"]


def test_each_round_with_its_own_encoder_and_bank(copy, capsys):
    again = Run(copy)
    before = [v.numpy().tobytes() for v in again.model.encoder.variables]
    figures = find(again, Options(attention_measured=450))
    rounds = figures["rounds"]
    assert [row["round"] for row in rounds] == [0, 1, 2]
    assert [row["epochs"] for row in rounds] == [2, 4, 6]
    for row in rounds:
        then = Run(copy, which=f"round_{row['round']}")
        bank = np.asarray(then.model.bank.rows)
        expected = (then.train_embeddings * bank).sum(1).mean()
        assert row["similarity"] == pytest.approx(expected, abs=1e-5)
        assert 0 <= row["entropy"] <= 1
        assert row["centre_share"] is None  # Of maps of 2×2.
    assert figures["protocol"]["num_measured"] == 450
    assert figures["protocol"]["map"] == [2, 2]
    after = [v.numpy().tobytes() for v in again.model.encoder.variables]
    assert after == before
    printed = capsys.readouterr().out
    for name in ("instance", "round 1", "round 2"):
        assert f"\n  {name} " in printed


def test_figures_are_of_the_measured_images_alone(copy):
    """By SciPy's entropy of the maps themselves, which are 2×2."""
    options = Options(attention_images="0,1,2", attention_measured=40)
    rows = find(Run(copy), options)["rounds"]
    numbers = np.random.default_rng(0).permutation(450)[:40]
    for row in rows:
        then = Run(copy, which=f"round_{row['round']}")
        maps, similarities = GradCam(then.model.encoder)(
            then.images.train.images[numbers],
            np.asarray(then.model.bank.rows)[numbers],
        )
        some = maps[maps.any((1, 2))]
        mass = some.reshape(-1, 4).astype(np.float64)
        expected = scipy.stats.entropy(mass, axis=1, base=4).mean()
        assert row["entropy"] == pytest.approx(expected, abs=1e-6)
        assert row["empty_maps"] == 40 - len(some)
        assert row["similarity"] == pytest.approx(similarities.mean(), abs=1e-6)


def test_maps_that_are_all_empty_have_no_figures(copy, monkeypatch):
    nothing = lambda *_: (np.zeros((1, 2, 2), "f4"), np.ones(1, "f4"))  # noqa: E731
    monkeypatch.setattr(GradCam, "__call__", nothing)
    options = Options(attention_images="7", attention_measured=1, seed=3)
    monkeypatch.setattr(
        attention, "choose", lambda *_: (np.array([7]), np.array([7]))
    )
    for row in find(Run(copy), options)["rounds"]:
        assert (row["centre_share"], row["entropy"]) == (None, None)
        assert row["empty_maps"] == 1


def test_picture_has_a_row_an_image_and_a_column_a_round(copy):
    find(Run(copy))
    with Image.open(copy / "attention.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    # Without the images themselves, which may have white.
    maps = [(x, y) for x, y in corners(pixels) if x > SIDE]
    xs, ys = (set(axis) for axis in zip(*maps))
    assert (len(xs), len(ys), len(maps)) == (3, 3, 9)
    assert list((copy / "tensorboard" / "evaluation" / "attention").iterdir())


def test_images_are_those_asked_for(copy):
    again = Run(copy)
    asked = Options(attention_images="7, 449,7,0", attention_measured=5)
    assert find(again, asked)["images"] == [7, 449, 0]
    for seed in (0, 1):
        expected = np.random.default_rng(seed).permutation(450)[:3].tolist()
        options = dataclasses.replace(FEW, seed=seed)
        assert find(again, options)["images"] == expected
    everything = Options(attention_count=100, attention_measured=10**9)
    shown, measured = attention.choose(20, everything)
    assert sorted(shown) == sorted(measured) == list(range(20))
    with pytest.raises(InputError, match="from 0 to 449, .*Received: 450"):
        find(again, Options(attention_images="3,450"))


@pytest.mark.parametrize("text", ["1,,2", "one", "-1", "1.5", "1;2", ",", "²"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(InputError, match="Expected --attention_images to be"):
        Options(attention_images=text)


def test_a_checkpoint_that_ends_no_round_has_a_column_too(copy):
    """As that of a run that goes on, or was trained without --keep_rounds."""
    checkpoints = copy / "checkpoints"
    (checkpoints / "epoch_00006.npz").unlink()
    rows = find(Run(copy))["rounds"]
    assert [(row["round"], row["epochs"]) for row in rows] == [
        (0, 2), (1, 4), (None, 5),
    ]  # fmt: skip
    for epochs in (2, 4):
        (checkpoints / f"epoch_{epochs:05}.npz").unlink()
    rows = find(Run(copy))["rounds"]
    assert [(row["round"], row["epochs"]) for row in rows] == [(None, 5)]


def test_a_damaged_round_is_left_out_and_said(copy, capsys):
    path = copy / "checkpoints" / "epoch_00004.npz"
    path.write_bytes(path.read_bytes()[:-99])
    rows = find(Run(copy))["rounds"]
    assert [row["round"] for row in rows] == [0, 2]
    assert f"{path} is damaged" in capsys.readouterr().out


def test_needs_the_bank(copy):
    path = copy / "checkpoints" / "epoch_00002.npz"
    with np.load(path, allow_pickle=False) as data:
        arrays = {k: data[k] for k in data.files if "method/" not in k}
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="with their memory bank.*epoch_00002"):
        find(Run(copy))


def test_needs_no_labels(copy):
    again = Run(copy)
    named = find(again)
    splits = (again.images.train, again.images.test)
    bare = (dataclasses.replace(split, labels=None) for split in splits)
    unlabelled = Run(copy)
    unlabelled.__dict__.update(images=ImageData("digits", *bare))
    assert find(unlabelled) == named


def test_streamed_images_are_the_same(tmp_path):
    """As if their clean views were in memory."""
    config = digits(
        tmp_path,
        dataset="folder",
        data_dir=folder(tmp_path / "images", True, False),
        image_size=16,
        rounds=0,
        epochs_per_round=1,
        batch_size=8,
        max_train_examples=0,
        max_test_examples=0,
        memory_gib=0.0,
        baselines=False,
        evaluate_every=0,
    )
    trainer.train(config)
    streamed = Run(config.run_directory)
    split = streamed.images.train
    assert split.images is None
    batches = clean_batches(split, 16, split.size)
    views = np.concatenate([images.numpy() for images, _ in batches])
    images = ImageData("", in_memory(split.name, views, split.labels), None)
    held = Run(config.run_directory)
    held.__dict__.update(images=images)
    assert find(streamed) == find(held)
