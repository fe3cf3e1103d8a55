"""Paths as users give them."""

from __future__ import annotations

import os
import pathlib

import pytest
from absl import flags

from and_tf.scan.config import ClusterConfig
from and_tf.training.config import TrainConfig
from and_tf.utils import paths
from and_tf.utils.errors import InputError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("az://bucket/run", "Received the URL az://bucket/run"),
        ("file:///run", "Received the URL"),
        ("runs/x ", "spaces at its ends"),
        ("runs/x\n--rounds=0", "line breaks and control characters"),
        ("runs/\x1b[31m", "control characters. Received: 'runs/.x1b"),
        ("runs/x\0", "control characters"),
        ("\u3000runs", "spaces at its ends"),
    ],
)
def test_refuses(text, said):
    with pytest.raises(InputError, match=f"--run_dir.* {said}"):
        paths.read("run_dir", text)
    with pytest.raises(InputError, match=said):
        TrainConfig(run_dir=text)


def test_urls_of_stores_are_read_where_a_flag_takes_them():
    for text in ("s3://bucket/run/", "gs://bucket/a run", "hf://datasets/x/y"):
        assert paths.read("x", text, urls=True) == text.rstrip("/")
        with pytest.raises(InputError, match="Received the URL"):
            paths.read("x", text)
    for text in ("s3://b/../x", "s3:///x", "gs://b//x", "s3://b/./x"):
        with pytest.raises(InputError, match="without empty parts"):
            paths.read("x", text, urls=True)
    run = TrainConfig(run_dir="s3://bucket/run/")
    assert run.run_dir == "s3://bucket/run"  # As its flagfile keeps it.
    assert run.run_directory.parts[-3:] == ("s3", "bucket", "run")
    clusters = ClusterConfig(run_dir="s3://bucket/run").output_directory
    assert clusters == run.run_directory / "scan"


def test_a_tilde_is_the_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert paths.read("x", "~/runs") == "/home/me/runs"
    assert paths.read("x", "runs/~/x") == "runs/~/x"
    assert paths.read("x", "") == ""
    config = TrainConfig(
        dataset="folder", data_dir="~/photos", run_dir="~/x", start_from="~/y"
    )
    assert (config.data_dir, config.start_from) == (
        "/home/me/photos", "/home/me/y"
    )  # fmt: skip
    assert str(config.run_directory) == "/home/me/x"
    clustering = ClusterConfig(run_dir="~/x", output_dir="~/z")
    assert str(clustering.output_directory) == "/home/me/z"
    assert clustering.run_dir == "/home/me/x"


def test_flags_are_read_as_they_are_parsed(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    values = flags.FlagValues()
    paths.define("output", "", "", values)
    values(["", "--output=~/x.html"])
    assert values["output"].value == "/home/me/x.html"
    with pytest.raises(flags.IllegalFlagValueError, match="Received the URL"):
        values(["", "--output=gs://b/x.html"])


@pytest.mark.parametrize("name", ["label_key", "train_split", "dataset"])
def test_other_texts_keep_a_flagfile_whole_too(name):
    with pytest.raises(InputError, match=f"--{name} without spaces"):
        TrainConfig(**{name: "x\n--rounds=0"})


def test_tries_an_output_and_leaves_nothing(tmp_path):
    paths.check_output("output", tmp_path / "new" / "deep" / "x.html")
    paths.check_output("output_dir", tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        "flags.cfg",
        "result.json",
        "checkpoints",
        "tensorboard/x",
        "scan/../result.json",
    ],
)
def test_refuses_the_own_files_of_a_run(tmp_path, name):
    (tmp_path / "scan").mkdir()
    paths.check_output("output", tmp_path / name)  # It is no run yet.
    (tmp_path / "flags.cfg").write_text("")
    with pytest.raises(InputError, match=f"of the run in {tmp_path}"):
        paths.check_output("output", tmp_path / name)
    for other in ("report.html", "scan", "exported/result.json"):
        paths.check_output("output", tmp_path / other)


def test_refuses_an_output_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file/x.html", f"{'x' * 300}.html", f"{'x' * 300}/a.html"):
        with pytest.raises(InputError, match="--output. Received: "):
            paths.check_output("output", tmp_path / place)
    with pytest.raises(InputError, match="written to for --output"):
        # Nobody, root included, makes files there.
        paths.check_output("output", pathlib.Path("/proc/1/x.html"))
