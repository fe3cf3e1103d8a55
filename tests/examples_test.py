"""The files of docs/examples/, which pages give to be copied."""

from __future__ import annotations

import os
import pathlib
import runpy
import signal
import subprocess
import sys
import sysconfig

import jsonschema
import keras
import kubernetes_validate
import optuna
import pytest
import ray
import yaml

import and_tf
from and_tf.distribution import tf_config
from and_tf.sweeping import job_files
from and_tf.sweeping.grid import runs_of, varied
from and_tf.training import train_callbacks
from and_tf.training.config import TrainConfig
from and_tf.training.result_file import read
from tests import mains

EXAMPLES = pathlib.Path(__file__).parents[1] / "docs" / "examples"
# Of a search that takes seconds.
DIGITS = {
    "dataset": "digits",
    "train_split": "",
    "test_split": "",
    "embedding_dim": 8,
    "width": 0.5,
    "max_train_examples": 200,
    "batch_size": 50,
    "max_test_examples": 60,
    "epochs_per_round": 1,
    "baselines": False,
}
# The part of JobSet's definition, v1alpha2, that the manifest may use. That of
# the project itself has 10,000 lines, most of which are those of a Job, whose
# schema is Kubernetes' own.
_OBJECT = {"type": "object", "additionalProperties": False}
JOBSET = {
    **_OBJECT,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "jobset.x-k8s.io/v1alpha2"},
        "kind": {"const": "JobSet"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            **_OBJECT,
            "required": ["replicatedJobs"],
            "properties": {
                "network": {
                    **_OBJECT,
                    "properties": {
                        "enableDNSHostnames": {"type": "boolean"},
                        "publishNotReadyAddresses": {"type": "boolean"},
                        "subdomain": {"type": "string"},
                    },
                },
                "failurePolicy": {
                    **_OBJECT,
                    "properties": {
                        "maxRestarts": {"type": "integer"},
                        "restartStrategy": {
                            "enum": ["Recreate", "BlockingRecreate"]
                        },
                    },
                },
                "replicatedJobs": {
                    "type": "array",
                    "items": {
                        **_OBJECT,
                        "required": ["name", "template"],
                        "properties": {
                            "name": {"type": "string"},
                            "replicas": {"type": "integer"},
                            "template": {
                                **_OBJECT,
                                "required": ["spec"],
                                "properties": {
                                    "metadata": {"type": "object"},
                                    "spec": {"type": "object"},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture
def manifest() -> dict:
    return yaml.safe_load((EXAMPLES / "jobset.yaml").read_text())


def test_the_manifest_fits_the_schemas_of_jobset_and_of_a_job(manifest):
    jsonschema.validate(manifest, JOBSET)
    for replicated in manifest["spec"]["replicatedJobs"]:
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": replicated["name"]},
            **replicated["template"],
        }
        version = kubernetes_validate.latest_version()
        kubernetes_validate.validate(job, version, strict=True)


def test_the_manifest_names_its_own_pods(manifest):
    """As JobSet names them: <set>-<job>-<replica>-<index>.<subdomain>."""
    spec = manifest["spec"]
    (job,) = spec["replicatedJobs"]
    pods = job["template"]["spec"]
    (container,) = pods["template"]["spec"]["containers"]
    variables = {v["name"]: v.get("value") for v in container["env"]}
    text = variables["TF_CONFIG"]
    begin = f"{manifest['metadata']['name']}-{job['name']}-0"
    (port,) = (p["containerPort"] for p in container["ports"])
    assert pods["parallelism"] == pods["completions"]
    for index in range(pods["completions"]):
        told = text.replace("$(INDEX)", str(index))
        found = tf_config.read({"TF_CONFIG": told})
        assert found.index == index
        assert found.addresses == tuple(
            f"{begin}-{i}.{spec['network']['subdomain']}:{port}"
            for i in range(pods["completions"])
        )
    _, module, main = container["command"][0], *container["command"][1:]
    assert module == "-m"
    mains.parse(main, container["args"])


STAND_IN = """#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$@" >> "$CALLED"
[ "$(basename "$0")" != srun ] || exit "$CODE"
"""


@pytest.mark.parametrize(("code", "again"), [(0, False), (143, True)])
def test_the_script_of_slurm_trains_and_is_put_back(tmp_path, code, again):
    path = EXAMPLES / "slurm.sh"
    checker = pathlib.Path(sysconfig.get_path("scripts")) / "shellcheck"
    subprocess.run([checker, path], check=True)
    for name in ("srun", "scontrol"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CALLED": str(tmp_path / "called"),
        "CODE": str(code),
        "SLURM_JOB_ID": "12",
    }
    ended = subprocess.run(
        ["bash", path, "--batch_size=512"], env=environment, cwd=tmp_path
    )
    assert ended.returncode == code
    called = (tmp_path / "called").read_text().splitlines()
    main = called.index("and_tf.train")
    end = called.index("scontrol") if again else len(called)
    assert called[0] == "srun" and called[end - 1] == "--batch_size=512"
    assert called[end:] == (["scontrol", "requeue", "12"] if again else [])
    mains.parse("and_tf.train", called[main + 1 : end])


class _Asks(keras.callbacks.Callback):
    """Asks the process once to end, as Slurm or Kubernetes do."""

    def on_train_batch_end(self, batch, logs=None):
        if not batch:
            signal.raise_signal(signal.SIGTERM)


def test_optuna_searches_in_two_trials(tmp_path, monkeypatch):
    """The second command has the study and the interrupted run of the first."""
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(EXAMPLES / "optuna_search.py"))["main"]
    with monkeypatch.context() as patch, pytest.raises(and_tf.Interrupted):
        patch.setattr(train_callbacks, "Progress", lambda *_, **__: _Asks())
        main(trials=1, **DIGITS)
    (kept,) = pathlib.Path().glob("runs/optuna/trial_0/checkpoints/*.npz")
    assert "step" in kept.name

    main = runpy.run_path(str(EXAMPLES / "optuna_search.py"))["main"]
    study = main(trials=2, **DIGITS)
    ended, again, other = study.trials
    assert ended.state == optuna.trial.TrialState.FAIL
    assert (again.params, again.user_attrs) == (ended.params, ended.user_attrs)
    assert other.user_attrs != ended.user_attrs
    for trial in (again, other):
        assert trial.state == optuna.trial.TrialState.COMPLETE
        run = tmp_path / trial.user_attrs["run_dir"]
        assert trial.value == read(run / "result.json")["knn_top1_last"]
    assert study.best_value == max(again.value, other.value)


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine, where two tasks may run at a time."""
    root = str(EXAMPLES.parents[1])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": root}},
    )
    yield
    ray.shutdown()


def test_ray_tune_searches_in_two_trials(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(str(EXAMPLES / "ray_tune.py"))
    found = names["main"](trials=2, **DIGITS)
    assert not found.errors and len(found) == 2
    for trial in found:
        result = read(pathlib.Path(trial.metrics["run_dir"]) / "result.json")
        assert trial.metrics["knn_top1"] == result["knn_top1_last"]


def test_ray_does_the_runs_of_a_sweep(cluster, tmp_path, monkeypatch):
    """One of which fails, which is told at the end."""
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).touch()"
    monkeypatch.chdir(tmp_path)
    runs = runs_of(TrainConfig(), varied(["rounds=1,2"]), 1, tmp_path / "it's")
    monkeypatch.setattr(
        job_files,
        "command",
        lambda run: [sys.executable, "-c", code, *_places(run)],
    )
    path = job_files.write("ray", tmp_path / "it's", runs, 0.5)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path))
    assert ended.value.code == 1
    assert (tmp_path / "rounds=1").exists()


def _places(run) -> list[str]:
    """Where a stand-in writes; the second has no such directory."""
    return [
        f"rounds={run.config.rounds}" if run.config.rounds == 1 else "no/such"
    ]
