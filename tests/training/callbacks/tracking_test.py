"""Runs that a tracker follows, as the trackers' own readers see them."""

from __future__ import annotations

import importlib.util
import json

import mlflow
import pytest
from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal.datastore import DataStore

from and_tf.training import trainer
from and_tf.training.callbacks import tracking
from and_tf.utils.errors import InputError
from tests.small_run import digits, interrupted

SHORT = {"rounds": 1, "epochs_per_round": 1, "max_train_examples": 200}


def records_of(run) -> list[wandb_internal_pb2.Record]:
    """What W&B keeps of a run until it is sent, in the order of its files."""
    found = []
    for path in sorted(run.glob("wandb/offline-run-*/*.wandb")):
        store = DataStore()
        store.open_for_scan(str(path))
        while (data := store.scan_data()) is not None:
            found.append(wandb_internal_pb2.Record.FromString(data))
    return found


def test_weights_and_biases_go_on_with_one_run(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = digits(tmp_path, tracker="wandb", resume=True, **SHORT)
    interrupted(config, 1, monkeypatch)
    result = trainer.train(config)

    run = tmp_path / "run"
    (known,) = json.loads((run / "tracker.json").read_text()).values()
    records = records_of(run)
    ids = {r.run.run_id for r in records if r.HasField("run")}
    assert ids == {known}
    config_items = [u for r in records for u in r.run.config.update]
    assert {i.key: i.value_json for i in config_items}["encoder"] == '"small"'
    rows = [
        {item.nested_key[0] if item.nested_key else item.key: item.value_json
         for item in r.history.item}
        for r in records if r.HasField("history")
    ]  # fmt: skip
    assert [row["epoch/epoch"] for row in rows] == ["0", "1"]
    assert all(float(row["epoch/loss"]) > 0 for row in rows)
    final = {
        item.key or item.nested_key[0]: item.value_json
        for r in records
        for item in r.summary.update
    }
    assert json.loads(final["final/knn_top1_last"]) == result["knn_top1_last"]


def test_mlflow_goes_on_with_one_run(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/tracked.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)  # Where artifacts go.
    config = digits(tmp_path, tracker="mlflow", resume=True, **SHORT)
    interrupted(config, 1, monkeypatch)
    result = trainer.train(config)

    client = mlflow.MlflowClient(uri)
    (found,) = client.search_runs(["0"])
    assert json.loads((tmp_path / "run" / "tracker.json").read_text()) == {
        "mlflow": found.info.run_id
    }
    assert found.info.status == "FINISHED"
    assert found.data.params["encoder"] == "small"
    last = found.data.metrics["final/knn_top1_last"]
    assert last == result["knn_top1_last"]
    losses = client.get_metric_history(found.info.run_id, "loss")
    assert [metric.step for metric in losses] == [0, 1]


def test_what_a_tracker_refuses_is_one_sentence(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/tracked.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (tmp_path / "tracker.json").write_text('{"mlflow": "gone"}')
    with pytest.raises(InputError, match="gone.* remove that file to begin"):
        with tracking.tracked("mlflow", tmp_path, {}):
            pass
    (tmp_path / "tracker.json").write_text("[]")
    with pytest.raises(InputError, match="Remove it to begin another"):
        with tracking.tracked("mlflow", tmp_path, {}):
            pass


def test_a_missing_package_is_told_before_anything_starts(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="the package wandb with --tracker"):
        trainer.train(digits(tmp_path, tracker="wandb"))
    assert not (tmp_path / "run").exists()
