"""Sweeps in real processes."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from PIL import Image

from and_tf.sweeping import claims
from and_tf.sweeping.run_status import ENDED, MARK
from tests import mains
from tests.sweeping.table_test import result

ROOT = pathlib.Path(__file__).parents[1]
OPTIONS = (
    "--dataset=digits", "--encoder=small", "--embedding_dim=16",
    "--batch_size=100", "--bank_initialiser=encoder", "--nobaselines",
    "--max_train_examples=300", "--max_test_examples=100",
)  # fmt: skip


def begin(
    directory: pathlib.Path,
    *flags: str,
    gpus: str = "",
    main: Sequence[str] = ("-m", "and_tf.sweep"),
) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *main, *OPTIONS, *flags, f"--sweep_dir={directory}"],
        cwd=ROOT,
        # What this machine has is hidden; what is named is pretended.
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": gpus,
            "TMPDIR": str(directory.parent),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--vary=neighbourhood_size=0"], "at least 1. Received: 0"),
        (["--vary=colour=red"], "a flag of and_tf.train in --vary"),
        (["--seeds=0"], "--seeds of at least 1. Received: 0"),
        (["--vary=output_dir=a"], "a flag of and_tf.train in --vary"),
        (["--gpus_per_run=2"], "the sweep may use, 0. Received: 2"),
    ],
)
def test_wrong_flags_end_before_anything_starts(
    tmp_path, flags, message, monkeypatch, capsys
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    flags = [*OPTIONS, *flags, f"--sweep_dir={tmp_path / 'sweep'}"]
    out, err = mains.refusal("and_tf.sweep", flags, capsys)
    assert out == ""
    assert err.startswith("error: ") and message in err
    assert not (tmp_path / "sweep").exists()


def test_spread_over_gpus_needs_a_number_of_them(tmp_path):
    flags = ("--vary=strategy=default,mirrored",)
    code, out, err = end(begin(tmp_path / "sweep", *flags, gpus="MIG-a,MIG-b"))
    assert (code, out) == (1, "")
    assert "of the 2 there are, that each run is spread over" in err


def test_jobs_are_written_and_what_others_did_is_tabulated(tmp_path, capsys):
    sweep = tmp_path / "s"
    flags = [*OPTIONS, "--vary=rounds=1,2", f"--sweep_dir={sweep}"]
    mains.run("and_tf.sweep", [*flags, "--dry_run", "--format=slurm"])
    assert f"wrote 2 runs to {sweep}/array.slurm" in capsys.readouterr().out
    assert [path.name for path in sweep.iterdir()] == ["array.slurm"]
    with pytest.raises(SystemExit):
        mains.run("and_tf.sweep", [*flags, "--table"])
    assert "Received: none of 2 in" in capsys.readouterr().err

    (sweep / "rounds=2" / "seed_0").mkdir(parents=True)
    text = json.dumps(result(0, 0.5, 0.25, []))
    (sweep / "rounds=2" / "seed_0" / "result.json").write_text(text)
    mains.run("and_tf.sweep", [*flags, "--table"])
    assert "1 of 2 runs are not done." in capsys.readouterr().out
    rows = (sweep / "table.csv").read_text().splitlines()[1:]
    assert [row.split(",")[:2] for row in rows] == [["1", ""], ["2", "0"]]
    assert (sweep / "plot.png").is_file()


def test_only_one_of_what_starts_no_run_is_taken(tmp_path, capsys):
    for flags, message in (
        (["--format=ray"], "only with --dry_run. Received: ray."),
        (["--list", "--table"], "Received: --list and --table."),
    ):
        with pytest.raises(SystemExit):
            mains.run("and_tf.sweep", [*flags, f"--sweep_dir={tmp_path}"])
        assert message in capsys.readouterr().err


# Stands in for a training; the first three wait to be told to go on.
TRAINING = """
import json, os, pathlib, sys, time
run, content = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
gpu = run.parent / ("in_use_" + os.environ["CUDA_VISIBLE_DEVICES"])
gpu.touch(exist_ok=False)  # Fails if the GPU has another run.
content["seed"] = int(run.name.removeprefix("seed_"))
while content["seed"] < 3 and not (run.parent / "go_on").exists():
    time.sleep(0.01)
gpu.unlink()
(run / "result.json").write_text(json.dumps(content))
"""
MAIN = f"""
import runpy, sys
from and_tf.sweeping import worker
code = [sys.executable, "-c", {TRAINING!r}]
content = {json.dumps(result(0, 0.5, 0.25, []))!r}
worker._command = lambda run: [*code, str(run.path), content]
runpy.run_module("and_tf.sweep", run_name="__main__")
"""


def test_two_sweeps_share_three_gpus(tmp_path):
    """Each run has its own. The first sweep takes all, the second waits."""
    arguments = {"gpus": "MIG-a,MIG-b,MIG-c", "main": ("-c", MAIN)}
    place = tmp_path / "s" / "default"
    first = begin(tmp_path / "s", "--seeds=8", **arguments)
    try:
        while len(list(place.glob("in_use_*"))) < 3:
            assert first.poll() is None
            time.sleep(0.01)
        second = begin(tmp_path / "s", "--seeds=8", **arguments)
        lines = [second.stdout.readline() for _ in range(2)]
    finally:
        (place / "go_on").touch()
    ends = [end(sweep) for sweep in (first, second)]
    assert [(code, err) for code, _, err in ends] == [(0, "")] * 2
    assert "8 of 8 runs to do on MIG-a, MIG-b and MIG-c, one run" in lines[0]
    assert lines[1].startswith("waiting for a GPU; other runs are in progress")
    logs = [(run / "log.txt").read_text() for run in place.glob("seed_*")]
    assert len(logs) == 8
    assert all(log.count(f"{MARK}began") == 1 for log in logs)
    assert all(log.endswith(f"{ENDED}0\n") for log in logs)


def test_two_sweepers_share_the_runs(tmp_path):
    """Three runs, one of which cannot be; then the same command once more."""
    flags = ["--vary=neighbourhood_size=1,5,300", "--rounds=1"]
    flags += ["--epochs_per_round=1"]
    both = [begin(tmp_path, *flags) for _ in range(2)]
    ends = [end(process) for process in both]

    runs = [tmp_path / f"neighbourhood_size={k}/seed_0" for k in (1, 5, 300)]
    for run in runs:
        assert (run / "log.txt").read_text().count(f"{MARK}began") == 1
    results = [json.loads((r / "result.json").read_text()) for r in runs[:2]]
    assert not (runs[2] / "result.json").exists()

    # One of the two saw all runs ended; both may have.
    assert {code for code, _, _ in ends} <= {0, 1}
    last = next(err for code, _, err in ends if code)
    assert "1 of 3 runs failed" in last
    assert "from 1 to 299" in last and str(runs[2]) in last
    text = (tmp_path / "table.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in text[1:]] == [
        str(result["knn_top1_last"]) for result in results
    ] + [""]
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.size[0] == 1200

    code, out, _ = end(begin(tmp_path, *flags, "--list"))
    states = [line.split("seed 0")[1].split()[0] for line in out.splitlines()]
    assert (code, states) == (0, ["done", "done", "failed"])


def test_runs_that_share_their_instance_learning_do_it_once(tmp_path):
    """Of two selections; the third has another temperature."""
    flags = ["--rounds=1", "--epochs_per_round=1", "--vary=temperature=0.1,0.2"]
    flags += ["--vary=selection=curriculum,none"]
    code, out, _ = end(begin(tmp_path, *flags))
    assert code == 0
    logs = {
        name: (tmp_path / name / "seed_0" / "log.txt").read_text()
        for name in (
            "temperature=0.1,selection=curriculum",
            "temperature=0.1,selection=none",
            "temperature=0.2,selection=curriculum",
            "temperature=0.2,selection=none",
        )
    }
    began = ["epoch 1/2" in log for log in logs.values()]
    assert began == [True, False, True, False]
    assert all("epoch 2/2" in log for log in logs.values())


def test_goes_on_after_signals(tmp_path):
    """SIGTERM to the sweep, then SIGKILL, then nothing."""
    flags = ["--rounds=0", "--initial_epochs=30", "--evaluate_every=0"]
    run = tmp_path / "default" / "seed_0"

    def begin_until(epoch: int) -> subprocess.Popen:
        process = begin(tmp_path, *flags)
        while f"\nepoch {epoch:>2}/30" not in _read(run / "log.txt"):
            assert process.poll() is None
            time.sleep(0.01)
        return process

    process = begin_until(3)
    process.send_signal(signal.SIGTERM)
    code, out, err = end(process)
    assert out.startswith("1 of 1 runs to do; each prints to its own")
    assert str(run / "log.txt") in out.splitlines()[0]
    assert code == 128 + signal.SIGTERM
    assert "interrupted: " in err and "The same command continues" in err
    log = _read(run / "log.txt")
    assert "interrupted: " in log and log.endswith(f"{ENDED}{code}\n")
    assert claims.holder(run) is None

    process = begin_until(15)
    process.kill()
    process.communicate()
    while claims.holder(run):  # The training keeps its step, and ends.
        time.sleep(0.01)
    assert not (run / "result.json").exists()
    assert "interrupted: " in _read(run / "log.txt").rpartition(MARK)[2]

    code, out, err = end(begin(tmp_path, *flags))
    assert (code, err) == (0, "")
    epochs = [x.split(",")[0] for x in _read(run / "metrics.csv").splitlines()]
    assert epochs[1:] == [str(i) for i in range(30)]
    assert _read(run / "log.txt").count(f"{MARK}began") == 3
    assert not list(run.parent.glob("*.claim_*"))

    before = os.stat(run / "log.txt").st_mtime_ns
    code, out, _ = end(begin(tmp_path, *flags))
    assert code == 0 and "done before" in out and "to do" not in out
    assert os.stat(run / "log.txt").st_mtime_ns == before


def _read(path: pathlib.Path) -> str:
    return path.read_text() if path.exists() else ""
