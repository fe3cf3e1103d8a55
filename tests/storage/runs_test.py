"""Runs at the URL of a store end as runs of this machine do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from and_tf import storage
from and_tf.training import trainer
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError
from tests import mains
from tests.same_run import assert_same_run
from tests.small_run import digits, evaluate_knn, interrupted, trained_once
from tests.storage.servers import drops

RUN = "s3://bucket/runs/digits"


def names(s3, below: str = RUN) -> set[str]:
    start = below.removeprefix("s3://")
    return {name.removeprefix(f"{start}/") for name in s3.find(below)}


def test_a_run_goes_on_on_another_machine(
    tmp_path_factory, tmp_path, s3, proxy, monkeypatch, capsys
):
    _, whole = trained_once(tmp_path_factory)
    config = digits(tmp_path, run_dir=RUN)
    # Of the checkpoints, an answer is lost now and then.
    proxy.faults["epoch_00002.npz"] = [drops, drops]
    interrupted(config, 3, monkeypatch, step=2)
    assert not proxy.faults["epoch_00002.npz"]
    begun = names(s3)
    assert {"flags.cfg", "metrics.csv"} < begun
    assert {n for n in begun if n.startswith("checkpoints/")} == {
        "checkpoints/epoch_00002.npz", "checkpoints/epoch_00003.npz"
    }  # fmt: skip
    with pytest.raises(InputError, match="Add --resume"):
        trainer.train(config)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    result = trainer.train(digits(tmp_path, run_dir=RUN, resume=True))
    again = RunDirectory(storage.place(RUN))
    assert_same_run(whole, again)
    assert json.loads(s3.cat(f"{RUN}/result.json")) == result
    # All that the run wrote is there, and nothing of what it has deleted.
    here = {
        path.relative_to(again.path).as_posix()
        for path in again.path.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert names(s3) - {".writer.json"} == here

    # A third machine evaluates it, while a fourth adds to its result.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "third"))
    run = Run(RUN)
    others = {"round_0": {"knn": {"top1": 0.5}}}
    added = {**result, "evaluation_of": others}
    s3.pipe_file(f"{RUN}/result.json", json.dumps(added).encode())
    evaluate_knn(run)
    kept = json.loads(s3.cat(f"{RUN}/result.json"))
    assert kept["evaluation_of"] == others and "knn" in kept["evaluation"]
    _check_commands(s3, tmp_path)


def _check_commands(s3, tmp_path) -> None:
    """The page and an export of the run, which go to the store too."""
    mains.run("and_tf.report", [f"--run_dir={RUN}", "--noevaluate"])
    assert b"<html" in s3.cat(f"{RUN}/report.html")
    output = "s3://bucket/exported/digits.keras"
    flags = [f"--run_dir={RUN}", f"--output={output}"]
    mains.run("export.keras_model", flags)
    assert names(s3, "s3://bucket/exported") == {
        "digits.keras", "digits.keras.json"
    }  # fmt: skip
    content = s3.cat(output)
    assert len(content) == json.loads(s3.cat(f"{output}.json"))["bytes"]


def test_a_run_that_was_taken_over_ends_with_a_sentence(
    tmp_path, s3, monkeypatch
):
    config = digits(tmp_path, run_dir=RUN, rounds=1, max_train_examples=200)
    directory = RunDirectory(config.run_directory)
    write = directory.checkpoints._write

    def taken_over(*arguments: object) -> None:
        s3.pipe_file(f"{RUN}/.writer.json", b'{"host": "b", "process": 7}')
        write(*arguments)

    monkeypatch.setattr(
        type(directory.checkpoints), "_write", lambda _, *a: taken_over(*a)
    )
    with pytest.raises(InputError, match="another one has taken over: 7 of b"):
        trainer.train(config)
    assert not [n for n in names(s3) if n.startswith("checkpoints/")]


def test_an_evaluation_of_nothing_is_a_sentence(s3):
    with pytest.raises(InputError, match="Expected the directory of a run"):
        Run("s3://bucket/no such run")
    assert np.array_equal(s3.find("s3://bucket"), [])
