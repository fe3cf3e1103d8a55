"""Flags, configs and flagfiles."""

from __future__ import annotations

import dataclasses

import pytest

from and_tf.sweeping import command, grid
from and_tf.training import trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import from_flagfile
from tests import mains

TAUGHT = {
    "pretext": "distillation",
    "teacher": "efficientnet_lite0",
    "teacher_weights": "imagenet",
    "rounds": 0,
}
BESIDE = {**TAUGHT, "pretext": "and", "rounds": 4}


def test_flagfile_makes_the_config_again(tmp_path):
    config = TrainConfig(
        dataset="folder",
        data_dir="pictures of mine",
        temperature=0.07,
        resume=True,
        rounds=2,
        selection="one_off",
    )
    path = tmp_path / "flags.cfg"
    path.write_text(config.to_flagfile())
    assert from_flagfile(TrainConfig, path) == config


def test_defaults_are_the_papers():
    config = TrainConfig().resolved
    assert (config.temperature, config.memory_momentum) == (0.1, 0.5)
    assert (config.neighbourhood_size, config.rounds) == (1, 4)
    assert config.epochs_per_round == config.first_round_epochs == 200
    assert (config.learning_rate, config.weight_decay) == (0.03, 5e-4)
    assert (config.batch_size, config.embedding_dim) == (128, 128)
    assert config.flip == 0


def test_differences_leave_out_what_a_resumed_run_may_change():
    config = TrainConfig()
    changed = dataclasses.replace(
        config, data_dir="elsewhere", resume=True, rounds=3, seed=1
    )
    assert config.differences(changed) == ["rounds", "seed"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encoder": "vgg"}, "one of small, alexnet.*Received: 'vgg'"),
        ({"temperature": 0.0}, "--temperature above 0. Received: 0"),
        ({"temperature": float("nan")}, "above 0. Received: nan"),
        ({"rounds": -1}, "--rounds of at least 0. Received: -1"),
        ({"neighbourhood_size": 0}, "at least 1. Received: 0"),
        ({"batch_size": 1}, "--batch_size of at least 2. Received: 1"),
        ({"memory_momentum": 1.5}, "at most 1. Received: 1.5"),
        ({"dataset": "folder"}, "Expected --data_dir"),
        ({"pretext": "jigsaw"}, "of and, rotation, supervised, distill"),
        ({"pretext": "rotation"}, "--rounds=0 with --pretext=rotation.*: 4"),
        ({"pretext": "distillation"}, "Expected --teacher, a trained encoder"),
        ({**TAUGHT, "rounds": 4}, "--rounds=0 with --pretext=distillation"),
        ({**TAUGHT, "teacher_weights": ""}, "--teacher_weights with .*random"),
        ({**TAUGHT, "teacher_weights": "none"}, "random weights has nothing"),
        ({**TAUGHT, "teacher": "vgg"}, "Expected an encoder.*'vgg'"),
        ({"teacher": "runs/x"}, "--teacher only with --pretext=distillation"),
        (
            {**TAUGHT, "teacher_pixels": "0..1"},
            "no --teacher_pixels with",
        ),
        ({"teacher_power": 0.5}, "--teacher_power only with"),
        ({"distillation_loss": "instance"}, "--distillation_loss only with"),
        (BESIDE, "--teacher only with .* or --discover_in=teacher.*lite0 with"),
        ({"distillation_weight": 1.0}, "--teacher, .* --distillation_weight"),
        ({"discover_in": "teacher"}, "--teacher, .* with --discover_in=teache"),
        ({"distillation_weight": -1.0}, "--distillation_weight of at least 0"),
        (
            {**TAUGHT, "distillation_weight": 1.0},
            "--distillation_weight only with --pretext=and",
        ),
        (
            {"pretext": "rotation", "rounds": 0, "discover_in": "teacher"},
            "--discover_in only with --pretext=and.*teacher with .*rotation",
        ),
        (
            {**BESIDE, "discover_in": "teacher", "teacher_neighbours": 2},
            "--teacher_neighbours only with --pretext=distillation or --dist",
        ),
        (
            {**BESIDE, "discover_in": "teacher", "rounds": 0},
            "--rounds above 0 with --discover_in=teacher",
        ),
        ({"clusters": 9}, "only with --selection=clusters.*--clusters=9"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(**values)


def test_refuses_a_flagfile_of_something_else(tmp_path):
    path = tmp_path / "flags.cfg"
    path.write_text("--colour=blue\n")
    with pytest.raises(InputError, match="Expected a flagfile of this version"):
        from_flagfile(TrainConfig, path)


def test_defaults_with_weights_differ():
    given = TrainConfig(encoder="efficientnet_lite0", weights="imagenet")
    assert given.pretrained
    found = given.resolved
    assert (found.head, found.bank_initialiser) == ("whitened", "encoder")
    assert (found.learning_rate, found.trunk_learning_rate) == (5e-4, 5e-4)
    assert found.freeze_batch_norm is True
    assert found.resolved == found
    without = TrainConfig(encoder="efficientnet_lite0").resolved
    assert (without.head, without.bank_initialiser) == ("linear", "unit")
    assert without.freeze_batch_norm is False
    # What is given stays as it is, and the trunk follows the head.
    chosen = dataclasses.replace(
        given, head="mlp", learning_rate=0.02, freeze_batch_norm=False,
        bank_initialiser="unit",
    ).resolved  # fmt: skip
    assert (chosen.head, chosen.bank_initialiser) == ("mlp", "unit")
    assert (chosen.learning_rate, chosen.trunk_learning_rate) == (0.02, 0.02)
    assert chosen.freeze_batch_norm is False


@pytest.mark.parametrize(
    ("encoder", "weights", "pretrained"),
    [
        ("small", "", False),
        ("small", "none", False),
        ("small", "a.npz", True),
        ("applications:VGG16", "", False),
        ("applications:VGG16", "imagenet", True),
        ("hub:vit_tiny", "", True),
        ("mine.keras", "", True),
        ("mine.keras", "none", False),
        ("my_module:make", "", True),
    ],
)
def test_what_begins_with_weights(encoder, weights, pretrained):
    config = TrainConfig(encoder=encoder, weights=weights)
    assert config.pretrained is pretrained


OLD = """--dataset=digits
--backbone=small
--learning_rate=0.03
--bank_initialiser=unit
--run_dir={run_dir}
--knn_temperature=0.1
"""


def test_flags_of_older_versions_are_those_of_today(tmp_path):
    path = tmp_path / "flags.cfg"
    path.write_text(OLD.format(run_dir=tmp_path))
    old = from_flagfile(TrainConfig, path)
    today = TrainConfig(dataset="digits", encoder="small")
    assert today.differences(old) == old.differences(today) == []
    assert old.instance_differences(today) == []
    other = dataclasses.replace(today, learning_rate=0.01)
    assert other.differences(old) == ["learning_rate", "trunk_learning_rate"]
    resumed = dataclasses.replace(today, run_dir=str(tmp_path), resume=True)
    RunDirectory(tmp_path).claim(resumed)
    assert "--encoder=small" in path.read_text()


def test_the_old_name_of_the_encoder_is_understood(tmp_path, monkeypatch):
    """As a flag, in a flagfile, and as what a sweep varies."""
    seen = []
    monkeypatch.setattr(trainer, "train", seen.append)
    (tmp_path / "mine.flags").write_text("--backbone=alexnet\n")
    for flag in ("--backbone=alexnet", f"--flagfile={tmp_path}/mine.flags"):
        mains.run("and_tf.train", ["--dataset=digits", flag])
    assert [config.encoder for config in seen] == ["alexnet"] * 2
    found = grid.varied(["backbone=small,resnet18"], command.TRAIN)
    assert found == {"encoder": ["small", "resnet18"]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rounds": 0, "initial_epochs": 0}, "at least one epoch.*--weights"),
        (
            {"encoder": "a.keras", "weights": "none", "rounds": 0}
            | {"initial_epochs": 0},
            "at least one epoch",
        ),
        ({"pixels": "0..1"}, "no --pixels with --encoder=resnet18, .*0..1"),
        (
            {"encoder": "applications:VGG16", "pixels": "caffe"},
            "no --pixels with --encoder=applications:VGG16",
        ),
        (
            {"encoder": "hub:vit_tiny", "width": 0.5},
            "no --width with --encoder=hub:vit_tiny, .*0.5",
        ),
        ({"head": "conv"}, "--head to be one of"),
        ({"whitening_power": 1.5}, "--whitening_power of at most 1"),
        ({"encoder": "https://a.b/c.keras"}, "URL|encoder"),
    ],
)
def test_refuses_what_does_not_go_with_an_encoder(values, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(**values)


def test_weights_allow_no_epochs():
    config = TrainConfig(encoder="a.keras", rounds=0, initial_epochs=0)
    assert config.first_round_epochs == 0
    assert config.encoder == "./a.keras"  # It stays a path, whatever is there.
    assert TrainConfig(encoder="a.keras", pixels="-1..1").resolved.head
