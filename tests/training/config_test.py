"""Flags, configs and flagfiles."""

from __future__ import annotations

import dataclasses

import pytest

from and_tf.training.config import TrainConfig
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import from_flagfile

TAUGHT = {
    "pretext": "distillation",
    "teacher": "efficientnet_lite0",
    "teacher_weights": "imagenet",
    "rounds": 0,
}


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
        ({"teacher_power": 0.5}, "--teacher_power only with"),
        ({"distillation_loss": "instance"}, "--distillation_loss only with"),
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
