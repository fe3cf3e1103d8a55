"""Runs that a tracker follows, as the trackers' own readers see them."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import struct
from collections.abc import Iterator

import mlflow
import pytest
import wandb
from wandb.proto import wandb_internal_pb2

from and_tf.training import trainer
from and_tf.training.callbacks import tracking
from and_tf.utils.errors import InputError
from tests.small_run import digits, interrupted

SHORT = {"rounds": 1, "epochs_per_round": 1, "max_train_examples": 200}


def records_of(run: pathlib.Path) -> Iterator[wandb_internal_pb2.Record]:
    """What W&B keeps of a run until it is sent, in the order of its files."""
    for path in sorted(run.glob("wandb/offline-run-*/*.wandb")):
        for content in logged(path.read_bytes()):
            yield wandb_internal_pb2.Record.FromString(content)


def logged(data: bytes) -> Iterator[bytes]:
    """Reads LevelDB's log format, in which W&B writes, after its own header."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        left = 32_768 - place % 32_768
        if left < 7:  # A head does not cross blocks.
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # Whole, or its last part.
            yield whole
            whole = b""


def name_of(item) -> str:
    return item.key or "/".join(item.nested_key)


def test_weights_and_biases_go_on_with_one_run(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = digits(tmp_path, tracker="wandb", resume=True, **SHORT)
    interrupted(config, 1, monkeypatch)
    result = trainer.train(config)
    wandb.teardown()  # Its own process writes the files.

    run = tmp_path / "run"
    (known,) = json.loads((run / "tracker.json").read_text()).values()
    records = list(records_of(run))
    ids = {r.run.run_id for r in records if r.HasField("run")}
    assert ids == {known}
    config_items = [u for r in records for u in r.run.config.update]
    assert {i.key: i.value_json for i in config_items}["encoder"] == '"small"'
    rows = [
        {name_of(item): item.value_json for item in r.history.item}
        for r in records
        if r.HasField("history")
    ]
    assert [row["epoch/epoch"] for row in rows] == ["0", "1"]
    assert all(float(row["epoch/loss"]) > 0 for row in rows)
    final = {
        name_of(item): item.value_json
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
