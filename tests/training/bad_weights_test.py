"""What users give wrongly: one sentence, and a directory for the next try."""

from __future__ import annotations

import pathlib
import re

import keras
import numpy as np
import pytest
from keras import layers

from and_tf.encoders import saved_models
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from tests import mains
from tests.training.pretrained_test import config, network


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> pathlib.Path:
    """A directory of good and bad files."""
    path = tmp_path_factory.mktemp("bad")
    made = network()
    made.save(path / "mine.keras")
    made.export(str(path / "theirs"), verbose=False)
    (path / "no_zip.keras").write_bytes(b"no zip")
    (path / "mine").mkdir()
    (path / "mine" / "flags.cfg").write_text("--dataset=digits\n")
    x = made.get_layer("flat").output
    two = keras.Model(made.input, [x, layers.ReLU(name="other")(x)])
    two.save(path / "two.keras")
    arrays = {"conv/kernel": np.zeros((3, 3, 3, 8))}
    np.savez(path / "wrong.npz", **arrays)
    broken = network()
    broken.get_layer("conv").set_weights(
        [np.full((3, 3, 3, 8), np.nan), np.zeros(8)]
    )
    broken.save(path / "nan.keras")
    return path


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--encoder=small --weights=nowhere.h5", "'nowhere.h5'"),
        ("--encoder=small --weights=nowhere.npz", "There is none"),
        ("--encoder=small --weights=imagenet", "among efficientnet_lite0"),
        ("--encoder=small --weights={}/wrong.npz", "stem_conv is the first"),
        ("--encoder=small --initial_epochs=0", "at least one epoch"),
        ("--encoder=small --pixels=0..1", "no --pixels with"),
        (
            "--encoder=applications:Resnet5O --weights=imagenet",
            "Did you mean ResNet50",
        ),
        ("--encoder={}/no_zip.keras", "a model that Keras"),
        ("--encoder={}/two.keras", "one output"),
        ("--encoder={}/gone.keras", "which does not exist"),
        ("--encoder={}/mine", "flagfile|cut off|# end of"),
        ("--encoder={}/mine.keras --weights=imagenet", "brings its own"),
        ("--encoder={}/mine.keras --width=0.5", "no --width"),
        ("--encoder={}/mine.keras --train=stage9", "matches none of mine"),
        ("--encoder={}/mine.keras --train=(", "regular expression"),
        ("--encoder={}/mine.keras --image_size=4", "8 or more|4×4"),
        ("--encoder={}/mine.keras --embedding_dim=49", "from 1 to 48"),
        (
            "--encoder={}/mine.keras --head=none --embedding_dim=49",
            "no --embedding_dim with --head=none, .* the 48 features",
        ),
        ("--encoder={}/nan.keras", "NaN or infinite"),
        ("--encoder={}/theirs --data_dir={} --dataset=folder", "image"),
        ("--encoder=tests.encoders.models:broken", "no luck"),
        ("--encoder=tests.nowhere:network", "a module that Python finds"),
    ],
)
def test_one_sentence_and_another_try(flags, words, place, tmp_path, capsys):
    right = config(
        tmp_path, "run", encoder=f"{place}/mine.keras", initial_epochs=0
    )
    changed = _changed(right, flags, place)
    printed = mains.refusal("and_tf.train", changed, capsys).err
    (line,) = (x for x in printed.splitlines() if x.startswith("error"))
    assert re.search(words, line) and printed.rstrip().endswith(line)
    assert RunDirectory(right.run_directory).claim(right) is None


def _changed(right, flags: str, place: pathlib.Path) -> list[str]:
    """Returns the flags of a right command with some wrong ones instead."""
    wrong = [flag.format(place) for flag in flags.split()]
    names = {flag.partition("=")[0] for flag in ["--pixels", *wrong]}
    kept = [f for f in right.to_flags() if f.partition("=")[0] not in names]
    return [*kept, *wrong]


def test_the_right_saved_model_follows_a_wrong_one(place, tmp_path, capsys):
    """Nothing is left of the first, and nothing of what a kill left behind."""
    right = config(tmp_path, "run", encoder=f"{place}/theirs", initial_epochs=0)
    others = tmp_path / "others"
    model = network()
    images = model.input
    keras.Model(images, layers.Flatten()(images)).export(
        str(others), verbose=False
    )
    wrong = f"--encoder={others} --embedding_dim=500"
    changed = _changed(right, wrong, place)
    printed = mains.refusal("and_tf.train", changed, capsys).err
    assert "from 1 to 192" in printed
    directory = right.run_directory
    assert (directory / saved_models.KEPT).is_dir()
    (directory / f"{saved_models.KEPT}.1234.part").mkdir()
    mains.run("and_tf.train", right.to_flags())
    found = sorted(path.name for path in directory.glob("[!.]*"))
    assert found == [
        "checkpoints", saved_models.KEPT, "flags.cfg", "neighbourhoods",
        "neighbours.png", "result.json", "tensorboard",
    ]  # fmt: skip
    encoder = Run(directory).encoder
    assert encoder.get_layer("projection").kernel.shape[0] == 48


def test_a_run_that_cannot_lend_its_encoder(place, tmp_path, capsys):
    first = config(tmp_path, "a", encoder=f"{place}/mine.keras")
    RunDirectory(first.run_directory).claim(first)  # And no more than that.
    right = config(tmp_path, "b", encoder="small", pixels="")
    flags = f"--encoder={first.run_directory}"
    changed = _changed(right, flags, place)
    printed = mains.refusal("and_tf.train", changed, capsys).err
    assert "has not finished an epoch" in printed
    assert RunDirectory(right.run_directory).claim(right) is None


def test_other_directories_stay_as_they_are(tmp_path, capsys):
    """A folder that holds nothing but a model is nobody's run."""
    right = config(tmp_path, "run", encoder="small", pixels="")
    mine = right.run_directory / saved_models.KEPT / "mine"
    mine.mkdir(parents=True)
    changed = _changed(right, "", tmp_path)
    printed = mains.refusal("and_tf.train", changed, capsys).err
    assert "which holds something else" in printed and mine.is_dir()
