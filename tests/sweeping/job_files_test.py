"""Jobs of a sweep, as a shell, Slurm and Ray start them."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import sysconfig

import pytest
from absl import flags

from and_tf.sweeping import job_files
from and_tf.sweeping.grid import SweepRun, runs_of, varied
from and_tf.training.config import TrainConfig
from and_tf.utils.flag_config import define_flags, from_flags

HOSTILE = """it's "$(touch gone)" `touch gone` & ; * é \\ %A {x}"""


@pytest.fixture
def runs(tmp_path, monkeypatch) -> list[SweepRun]:
    """Four runs, and a Python that keeps the arguments it is called with."""
    stand_in = tmp_path / "a python"
    stand_in.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        'with open("called", "a") as file:\n'
        "    print(json.dumps([os.getcwd(), sys.argv[1:]]), file=file)\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    place = tmp_path / "where it's"
    place.mkdir()
    monkeypatch.chdir(place)
    base = TrainConfig(dataset="folder", data_dir=HOSTILE, rounds=2)
    vary = varied(["temperature=0.1,0.2", "baselines=true,false"])
    return runs_of(base, vary, 1, pathlib.Path("a $weep"))


def called() -> list[TrainConfig]:
    """The configs that the stand-in was called with, by a training's flags."""
    found = []
    for line in pathlib.Path("called").read_text().splitlines():
        here, (dash_m, module, *given) = json.loads(line)
        assert (here, dash_m, module) == (os.getcwd(), "-m", "and_tf.train")
        values = flags.FlagValues()
        define_flags(TrainConfig, values)
        values(["", *given])
        found.append(from_flags(TrainConfig, values))
    return found


def write(kind: str, runs: list[SweepRun]) -> pathlib.Path:
    path = job_files.write(kind, pathlib.Path("a $weep"), runs, 0.5)
    assert not [line for line in path.read_text().splitlines() if "\t" in line]
    return path.resolve()


def test_a_shell_calls_each_run_with_its_flags(runs, tmp_path):
    subprocess.run(["sh", write("commands", runs)], cwd=tmp_path, check=True)
    assert called() == [run.config for run in runs]
    assert sorted(os.listdir()) == ["a $weep", "called"]


def test_a_task_of_a_job_array_does_its_run(runs, tmp_path):
    path = write("slurm", runs)
    checker = pathlib.Path(sysconfig.get_path("scripts")) / "shellcheck"
    # Its notes of lesser severity are on the value above.
    subprocess.run([checker, "--severity=warning", path], check=True)
    for task in (2, 0):
        environment = {**os.environ, "SLURM_ARRAY_TASK_ID": str(task)}
        subprocess.run(["bash", path], env=environment, cwd=tmp_path)
    assert called() == [runs[2].config, runs[0].config]
    options = re.findall("^#SBATCH (.+)$", path.read_text(), re.MULTILINE)
    assert {"--array=0-3", "--job-name=a_weep", "--requeue"} <= {*options}


@pytest.mark.parametrize(
    ("wanted", "slurm", "ray"),
    [(1, "1", "1"), (1 / 6, "1", "0.1666"), (1.5, "2", "2"), (4, "4", "4")],
)
def test_gpus_of_a_run(runs, wanted, slurm, ray):
    """Six sixths fit on one GPU, by four digits as Ray counts them."""
    place = pathlib.Path("a $weep")
    text = job_files.write("slurm", place, runs, wanted).read_text()
    assert f"sbatch --gpus={slurm} " in text
    text = job_files.write("ray", place, runs, wanted).read_text()
    assert f"num_gpus={ray} if has_gpus" in text


def test_all_of_them_resume(runs):
    assert all(run.config.resume for run in runs)
    assert all("--resume=True" in job_files.command(run) for run in runs)
