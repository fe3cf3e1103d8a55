"""The configs and the commands that are given for them."""

from __future__ import annotations

import dataclasses
import pathlib
import re

import pytest

from and_tf.scan.config import ClusterConfig
from and_tf.sweeping.command import command_of
from and_tf.sweeping.grid import runs_of, varied
from and_tf.training.config import TrainConfig
from and_tf.utils.flag_config import from_flagfile
from benchmarks import commands, paper

CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
README = (CONFIGS / "README.md").read_text("utf-8")
SCAN = sorted(path.name for path in CONFIGS.glob("scan_*.flags"))
NAMES = sorted({path.name for path in CONFIGS.glob("*.flags")} - {*SCAN})
GIVEN = re.findall(r"`(\w+\.flags[^`]*)`", README)


def config(arguments: str) -> TrainConfig | ClusterConfig:
    kind = "cluster" if arguments.startswith("scan_") else "train"
    return commands.config_of(
        f"python -m and_tf.{kind} --flagfile=configs/{arguments}"
    )


@pytest.mark.parametrize("name", NAMES)
def test_configs_are_configs_and_say_their_command(name):
    assert config(name).dataset
    assert f"--flagfile=configs/{name}" in (CONFIGS / name).read_text("utf-8")


@pytest.mark.parametrize("name", SCAN)
def test_clusterings_are_too(name, tmp_path):
    text = (CONFIGS / name).read_text("utf-8")
    train = re.search(r"and_tf\.train --flagfile=configs/(.+)", text)
    given = re.search(rf"--flagfile=configs/{name} --run_dir=(\S+)", text)
    path = tmp_path / "flags.cfg"
    path.write_text(f"--flagfile={CONFIGS / name}\n--run_dir={given[1]}\n")
    clustering = from_flagfile(ClusterConfig, path)
    # What it starts from is what the first of its two commands writes to.
    assert clustering.run_dir == config(train[1]).run_dir
    assert clustering.embeds_once or clustering.self_labelling_epochs
    assert "not run here" in " ".join(text.lower().split())


def test_coarse_labels_are_the_runs():
    text = (CONFIGS / "scan_cifar20.flags").read_text("utf-8")
    train = re.search(r"and_tf\.train --flagfile=configs/(.+)", text)
    assert config(train[1]).label_key == "coarse_label"


@pytest.mark.parametrize("arguments", GIVEN)
def test_given_commands_can_be_given(arguments, tmp_path):
    base = config(arguments)
    texts = re.findall(r"--vary=(\S+)", arguments)
    vary = varied(texts, command_of(base))
    assert runs_of(base, vary, 1, tmp_path)


def test_the_papers_rows_have_the_commands_of_the_readme():
    given = set(GIVEN)
    for row in paper.paper_rows():
        if row["command"] and "on" not in row:
            arguments = row["command"].partition("--flagfile=configs/")[2]
            assert arguments in given, row["id"]


def test_the_papers_clusterings_start_from_what_was_trained():
    rows = [row for row in paper.paper_rows() if "on" in row]
    assert rows
    for row in rows:
        trained = commands.config_of(row["on"])
        clustered = commands.config_of(row["command"])
        assert clustered.run_dir == str(trained.run_directory), row["id"]


def test_no_two_recipes_write_to_one_directory():
    places: dict[pathlib.Path, TrainConfig] = {}
    for arguments in GIVEN:
        if not re.search("--sweep_dir|scan_", arguments):
            one = config(arguments)
            other = places.setdefault(one.run_directory, one)
            assert not one.differences(other), arguments


@pytest.mark.parametrize(
    "name", ["cifar10", "cifar100", "svhn", "imagenet", "cub200", "dogs"]
)
def test_instance_learning_is_given_as_many_epochs(name):
    def epochs(one: TrainConfig) -> int:
        rounds = one.rounds * one.epochs_per_round
        return one.first_round_epochs + rounds

    instance = f"{name}.flags --rounds=0 --initial_epochs=1000"
    assert epochs(config(f"{name}.flags")) == 1000 == epochs(config(instance))


def test_small_configs_differ_in_their_data_alone():
    one, other = config("small_cifar10.flags"), config("small_cifar100.flags")
    assert one.differences(other) == ["dataset"]


def test_quick_differs_from_the_ablations_in_what_was_chosen_for_it():
    differences = config("small_cifar10.flags").differences(
        config("quick.flags")
    )
    assert set(differences) == {
        "image_size", "view_size", "temperature", "negatives",
        "initial_epochs", "epochs_per_round", "rounds", "batch_size",
        "learning_rate", "trunk_learning_rate", "features", "embedding_dim",
        "rewhiten",
    }  # fmt: skip


def test_a_flagfile_may_name_another(tmp_path):
    path = tmp_path / "mine.flags"
    path.write_text(f"--flagfile={CONFIGS / 'quick.flags'}\n--rounds=7\n")
    quick = config("quick.flags")
    assert from_flagfile(TrainConfig, path) == dataclasses.replace(
        quick, rounds=7
    )
