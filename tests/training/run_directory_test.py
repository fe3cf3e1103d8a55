"""A run's directory is its own."""

from __future__ import annotations

import csv
import dataclasses
import json
import threading

import numpy as np
import pytest

from and_tf.method.discovery import Neighbourhoods
from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError

CONFIG = TrainConfig(dataset="digits", encoder="small")


@pytest.fixture
def directory(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    assert directory.claim(CONFIG) is None
    directory.write_metrics([])  # As a run does that has begun.
    return directory


def test_keeps_its_flags(directory):
    assert directory.config() == CONFIG


def test_is_never_overwritten_silently(directory):
    with pytest.raises(
        InputError, match="run of small on digits. Add --resume"
    ):
        directory.claim(CONFIG)


def test_what_failed_at_once_is_in_nobodys_way(tmp_path):
    """As with a --data_dir that was mistyped."""
    directory = RunDirectory(tmp_path / "run")
    directory.claim(dataclasses.replace(CONFIG, data_dir="typo"))
    other = dataclasses.replace(CONFIG, data_dir="right", seed=3)
    assert directory.claim(other) is None
    assert directory.config() == other


@pytest.mark.parametrize(
    "other", [{"dataset": "cifar10"}, {"encoder": "resnet18"}, {"seed": 3}]
)
def test_is_not_resumed_by_another_run(directory, other):
    name, value = next(iter(other.items()))
    other = dataclasses.replace(CONFIG, resume=True, **other)
    with pytest.raises(InputError, match=rf"It has {name} .*\(now {value!r}\)"):
        directory.claim(other)
    assert directory.config() == CONFIG


def test_resumes_with_flags_that_change_no_result(directory):
    again = dataclasses.replace(CONFIG, resume=True, data_dir="moved")
    assert directory.claim(again) is None  # No epoch was finished.
    assert directory.config() == again


def test_sweeps_what_a_killed_writer_left(directory):
    left = directory.path / "checkpoints" / ".epoch_00001.npz.77.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    directory.claim(dataclasses.replace(CONFIG, resume=True))
    assert not left.exists()


def test_a_killed_export_below_it_is_in_nobodys_way(directory):
    left = directory.path / "exported" / f".{'0' * 32}.tmp" / "variables"
    left.mkdir(parents=True)
    directory.claim(dataclasses.replace(CONFIG, resume=True))
    assert not left.parent.exists() and left.parents[1].exists()


def test_evaluations_at_once_are_all_kept(directory):
    def add(first):
        for number in range(first, first + 20):
            directory.add_evaluation(f"protocol {number}", {"n": number})

    threads = [threading.Thread(target=add, args=[n]) for n in (0, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = directory.evaluations()
    assert sorted(row["n"] for row in found.values()) == list(range(40))


def test_the_end_of_a_run_keeps_what_was_found_of_its_rounds(directory):
    for which in ("last", "best", "round_0"):
        directory.add_evaluation("knn", {"of": which}, which)
    directory.write_result({"epochs": 2})
    assert json.loads(directory.result.read_text()) == {
        "epochs": 2, "evaluation_of": {"round_0": {"knn": {"of": "round_0"}}}
    }  # fmt: skip


def test_is_held_by_one_process_at_a_time(directory):
    other = RunDirectory(directory.path)
    with directory.held():
        with pytest.raises(InputError, match="Another process is already"):
            with other.held():
                pass
    with other.held():
        pass


def test_refuses_what_is_no_run(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(InputError, match="which holds something else"):
        RunDirectory(tmp_path).claim(CONFIG)
    with pytest.raises(InputError, match="Received the file"):
        RunDirectory(tmp_path / "letter.txt").claim(CONFIG)
    with pytest.raises(InputError, match="with flags.cfg in it"):
        RunDirectory(tmp_path).config()


@pytest.mark.parametrize(
    ("name", "why"),
    [("x" * 300, "File name too long"), ("caf\udce9", "its name is no UTF-8")],
)
def test_refuses_a_name_that_cannot_be_made(tmp_path, name, why):
    directory = RunDirectory(tmp_path / name)
    for take in (lambda: directory.claim(CONFIG), directory.held().__enter__):
        with pytest.raises(InputError, match=f"{why}. Name another."):
            take()


def test_metrics_and_neighbourhoods_can_be_read_back(directory, rng):
    directory.write_metrics(
        [{"epoch": 0, "round": 0, "loss": 2.5}, {"epoch": 1, "knn_bank": 0.5}]
    )
    with open(directory.metrics, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert (rows[0]["loss"], rows[0]["knn_bank"]) == ("2.5", "")

    found = Neighbourhoods(
        2,
        rng.random(5).astype(np.float32),
        rng.integers(0, 5, (5, 3)).astype(np.int32),
        rng.random(5) < 0.5,
    )
    directory.write_neighbourhoods(found)
    again = directory.read_neighbourhoods(2)
    for name in ("entropy", "neighbours", "is_anchor"):
        np.testing.assert_array_equal(
            getattr(found, name), getattr(again, name)
        )
