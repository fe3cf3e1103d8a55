"""Sweeps over clusterings, in real processes."""

from __future__ import annotations

import csv
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
OPTIONS = (
    "--neighbours=5", "--batch_size=100", "--epochs=1", "--freeze",
    "--learning_rate=1e-2", "--kmeans_seeds=1",
)  # fmt: skip


def sweep(directory: pathlib.Path, *flags: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "and_tf.sweep", "--command=cluster"),
            *(*flags, f"--sweep_dir={directory}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Expected --run_dir, the directory of a run"),
        (["--run_dir=x", "--vary=clusters=5,1"], "--clusters of 2 or more"),
        (["--run_dir=x", "--vary=rounds=5"], "a flag of and_tf.cluster"),
        (["--vary=output_dir=x"], "for which a sweep has --sweep_dir"),
    ],
)
def test_wrong_flags_end_before_anything_starts(tmp_path, flags, message):
    code, out, err = sweep(tmp_path / "sweep", *flags)
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and message in err
    assert not (tmp_path / "sweep").exists()


def test_the_other_commands_flags_are_unknown(tmp_path):
    code, _, err = sweep(tmp_path, "--run_dir=x", "--temperature=0.1")
    assert code == 1 and "Unknown command line flag 'temperature'" in err


def test_runs_are_varied_too(source, tmp_path):
    """And then what there is, without doing any more."""
    flags = (*OPTIONS, f"--vary=run_dir={source}")
    code, out, err = sweep(tmp_path / "sweep", *flags)
    assert (code, err) == (0, "")
    (path,) = (tmp_path / "sweep").glob("*/seed_0/result.json")
    result = json.loads(path.read_text())
    assert f"ACC {100 * result['acc']:.1f} %" in out
    assert "to choose C by" in out
    with open(tmp_path / "sweep" / "table.csv", newline="") as file:
        (done,) = csv.DictReader(file)
    assert done["run_dir"] == str(source)
    assert float(done["acc_mean"]) == result["acc"]
    told = result["without_labels"]
    assert float(done["silhouette_mean"]) == told["silhouette"]
    assert (tmp_path / "sweep" / "plot.png").is_file()
    code, out, _ = sweep(tmp_path / "sweep", *flags, "--list")
    assert code == 0 and f"done         ACC {100 * result['acc']:.1f}" in out
