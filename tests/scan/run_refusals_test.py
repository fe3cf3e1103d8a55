"""What a clustering refuses to begin, or to go on with."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from and_tf.encoders import weights
from and_tf.scan import trainer
from and_tf.utils.errors import InputError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run_dir": "nowhere"}, "Expected the directory of a run"),
        ({"neighbours": 450}, "--neighbours from 1 to 449.*Received: 450"),
        ({"batch_size": 451}, "--batch_size of at most 450"),
        ({"clusters": 451}, "--clusters from 2 to 450.*Received: 451"),
    ],
)
def test_refuses_before_anything_is_written(config, tmp_path, changes, message):
    made = config(tmp_path / "scan", **changes)
    with pytest.raises(InputError, match=message):
        trainer.cluster(made)
    assert not list(tmp_path.rglob("*.npz"))


def test_refuses_another_directory_or_flags(finished):
    config, _, directory = finished
    with pytest.raises(InputError, match="Expected a new --output_dir"):
        trainer.cluster(config)
    other = dataclasses.replace(config, resume=True, heads=3)
    with pytest.raises(InputError, match="heads 2 .now 3."):
        trainer.cluster(other)


def test_refuses_to_go_on_with_another_encoder(finished, tmp_path, monkeypatch):
    config = dataclasses.replace(finished[0], resume=True)
    shutil.copytree(finished[2].path, tmp_path / "scan")
    (tmp_path / "scan" / "result.json").unlink()
    digest = weights.digest
    monkeypatch.setattr(weights, "digest", lambda model: digest(model)[::-1])
    config = dataclasses.replace(config, output_dir=str(tmp_path / "scan"))
    with pytest.raises(InputError, match="began with the encoder of epoch"):
        trainer.cluster(config)


def test_neighbours_that_were_lost_are_said(finished, tmp_path):
    shutil.copytree(finished[2].path, tmp_path / "scan")
    for name in ("result.json", "neighbours.npz"):
        (tmp_path / "scan" / name).unlink()
    config = dataclasses.replace(
        finished[0], output_dir=str(tmp_path / "scan"), resume=True
    )
    with pytest.raises(InputError, match="The neighbours that"):
        trainer.cluster(config)
