"""Mains as a user meets them: some in real processes, most in this one."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from PIL import Image

from and_tf.utils import cli
from tests import mains

ROOT = pathlib.Path(__file__).parents[2]


def call(*arguments: str, cwd: pathlib.Path = ROOT):
    """Runs `python -m …` in a process of its own, its log level unset."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_process_ends_in_one_sentence():
    result = call("and_tf.train", "--batch_size=1")
    assert result.returncode == 1
    assert "--batch_size of at least 2. Received: 1." in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--encoder=vgg"],
            "Expected an encoder: one of small, alexnet, resnet18",
        ),
        (["--temperature=0"], "error: Expected --temperature above 0."),
        (["--rounds=two"], "invalid literal"),
        (["--roundz=2"], "Unknown command line flag 'roundz'"),
        (["stray"], "error: Expected flags only"),
        (["--dataset=folder"], "error: Expected --data_dir"),
    ],
)
def test_wrong_flags_end_in_one_sentence(arguments, message, capsys):
    assert message in mains.refusal("and_tf.train", arguments, capsys).err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: Expected --run_dir"),
        (["--run_dir=nowhere"], "error: Expected the directory of a run"),
        (["--run_dir=x", "--protocols=knn,taste"], "Received: taste."),
        (["--run_dir=x", "--protocols="], "attention. Received: none."),
        (["--run_dir=x", "--knn_neighbours=0"], "at least 1. Received: 0."),
        (["--run_dir=x", "--attention_images=1,a"], "such as 0,17,4. Recei"),
        (["--run_dir=x", "--attention_count=0"], "at least 1. Received: 0."),
        (["--run_dir=x", "--checkpoint=first"], "round_<r>, such as round_1"),
    ],
)
def test_evaluate_answers_in_one_sentence(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    printed = mains.refusal("and_tf.evaluate", arguments, capsys)
    assert message in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: Expected --run_dir"),
        (["--run_dir=x", "--clusters=1"], "--clusters of 2 or more"),
        (["--run_dir=x", "--entropy_weight=-1"], "--entropy_weight of at"),
        (["--run_dir=x", "--augmentation=fierce"], "should be one of"),
        (["--run_dir=nowhere"], "error: Expected the directory of a run"),
    ],
)
def test_cluster_answers_in_one_sentence(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert message in mains.refusal("and_tf.cluster", arguments, capsys).err
    assert not list(tmp_path.iterdir())


def test_trains_and_resumes(tmp_path, monkeypatch, capsys):
    arguments = [
        "and_tf.train",
        "--dataset=digits",
        "--encoder=small",
        "--run_dir=run",
        "--rounds=2",
        "--epochs_per_round=1",
        "--batch_size=128",
        "--embedding_dim=16",
        "--max_train_examples=300",
        "--max_test_examples=60",
    ]
    trained = call(*arguments, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr == ""
    lines = trained.stdout.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 3
    for name in ("raw pixels", "untrained encoder", "round 2"):
        assert any(line.startswith(name) for line in lines)

    monkeypatch.chdir(tmp_path)
    module, *options = arguments
    again = mains.refusal(module, options, capsys)
    assert "Add --resume to continue it" in again.err

    before = (tmp_path / "run" / "metrics.csv").read_bytes()
    mains.run(module, [*options, "--resume"])
    resumed = capsys.readouterr().out
    assert "round 2" in resumed
    assert not any(line.startswith("epoch ") for line in resumed.splitlines())
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == before


def test_a_stream_leaves_out_a_broken_image_and_says_which(tmp_path):
    """One whose header is whole, so that only decoding can tell."""
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i:02}.jpg")
    broken = tmp_path / "07.jpg"
    broken.write_bytes(broken.read_bytes()[:-800])
    result = call(
        "and_tf.train",
        "--dataset=folder",
        f"--data_dir={tmp_path}",
        "--memory_gib=0",
        "--image_size=16",
        "--batch_size=4",
        "--embedding_dim=16",
        "--nobaselines",
        "--encoder=small",
        "--rounds=0",
        "--initial_epochs=1",
        f"--run_dir={tmp_path / 'run'}",
    )
    assert result.returncode == 0, result.stderr
    assert "11 images" in result.stdout
    assert re.search(r"left out.*07\.jpg", result.stdout)


def test_a_reader_that_has_read_enough_is_no_error():
    code = (
        "from and_tf.utils import cli; "
        "cli.run(lambda _: print('line\\n' * 10**6), for_reader=bool)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_flags_error_with_a_long_value_is_one_short_line():
    error = flags.IllegalFlagValueError(f"flag --x={'9' * 9000}: not\na bool")
    sentence = cli.flags_sentence(error)
    assert len(sentence) < 4000
    assert "\n" not in sentence
    assert sentence.endswith("Run with --help for the flags.")
