"""Flagfiles of runs are whole, or refused."""

from __future__ import annotations

import dataclasses
import os

import pytest

from and_tf.scan.config import ClusterConfig
from and_tf.training.config import TrainConfig
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import from_flagfile, from_run

CONFIG = TrainConfig(dataset="digits", rounds=7)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "flags.cfg"
    atomic_files.write_text(path, CONFIG.to_flagfile())
    return path


def test_is_read_as_it_was_written(path):
    assert from_run(TrainConfig, path) == CONFIG


def test_is_refused_wherever_it_is_cut(path):
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    mark = len(content) - len(lines[-1])
    for size in (*range(0, mark, 61), mark - 1, mark + 3, len(content) - 2):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match="lost some of its lines"):
            from_run(TrainConfig, path)


def test_is_refused_if_a_line_is_lost_within(path):
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:5] + lines[6:]))
    with pytest.raises(InputError, match="lost some of its lines"):
        from_run(TrainConfig, path)


def test_what_is_added_at_the_end_counts(path):
    path.write_text(f"{path.read_text()}--rounds=3\n")
    assert from_run(TrainConfig, path).rounds == 3


@pytest.mark.parametrize(
    "config", [CONFIG, ClusterConfig(run_dir="runs/x", neighbours=5)]
)
def test_those_of_earlier_versions_load(config, path):
    path.write_text("".join(f"{line}\n" for line in config.to_flags()))
    assert from_run(type(config), path) == config


def test_names_that_are_no_utf_8_stay_the_same(path):
    config = TrainConfig(run_dir=os.fsdecode(b"runs/caf\xe9"))
    atomic_files.write_text(path, config.to_flagfile())
    assert from_run(TrainConfig, path) == config


def test_says_that_it_cannot_be_read(tmp_path):
    for read in (from_run, from_flagfile):
        with pytest.raises(InputError, match="can be read. Received: .*direct"):
            read(TrainConfig, tmp_path)


def test_one_that_names_what_no_file_is_called_is_refused(path):
    """open() raises a ValueError of it."""
    path.write_text(f"{path.read_text()}--flagfile=a\0b\n")
    with pytest.raises(InputError, match="a flagfile of this version") as found:
        from_run(TrainConfig, path)
    assert "\n" not in str(found.value)


def test_a_config_is_made_of_one_with_changes(path, tmp_path, monkeypatch):
    config = TrainConfig.from_flagfile(path, rounds=9)
    assert config == dataclasses.replace(from_run(TrainConfig, path), rounds=9)
    monkeypatch.chdir(tmp_path)  # Where no quick.flags is.
    config = TrainConfig.from_flagfile("quick.flags", run_dir="mine")
    assert (config.dataset, config.run_dir) == ("cifar10", "mine")
    with pytest.raises(InputError, match=r"Received: gone\.flags"):
        TrainConfig.from_flagfile("gone.flags")
