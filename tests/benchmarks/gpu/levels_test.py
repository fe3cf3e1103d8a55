"""Which runs a level has, what they are told, and what they cost."""

from __future__ import annotations

import csv
import dataclasses
import pathlib

import pytest

from and_tf.utils.errors import InputError
from benchmarks import commands
from benchmarks.gpu import cost, setting
from benchmarks.gpu.levels import LEVELS, Plan, Run
from benchmarks.gpu.process import Launcher
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.trial import Pace, Trial, measure_pace

GIBI = 2**30


def plan(tmp_path, level="published", **changes) -> Plan:
    return Plan(LEVELS[level], Setting(level, "NVIDIA L4", **changes), tmp_path)


def trained(path: pathlib.Path, epochs: int, seconds: float = 2.0) -> None:
    """Leaves the metrics.csv of a run behind."""
    path.mkdir(parents=True, exist_ok=True)
    with open(path / "metrics.csv", "w") as file:
        names = ["epoch", "loss", "images_per_second", "seconds"]
        rows = csv.writer(file)
        rows.writerow(names)
        rows.writerows([i, 8.0 - i, 100.0 + i, seconds] for i in range(epochs))


def config(run: Run, without: str = "--checkpoint_epochs"):
    kept = [flag for flag in run.flags if not flag.startswith(without)]
    return commands.config_of(f"python -m and_tf.train {' '.join(kept)}")


def test_the_levels_have_the_lengths_of_the_papers_rows(tmp_path):
    published, paper = plan(tmp_path), plan(tmp_path, "paper")
    assert len(published.runs) == 2 and len(paper.runs) == 6
    assert [run.seed for run in paper.runs] == [0, 0, 1, 1, 2, 2]
    # Instance learning is done once a seed: 250 + 200, and 1,000 + 800.
    assert published.epochs_left == 450
    assert paper.epochs_left == 3 * 1800


@pytest.mark.parametrize("level", LEVELS)
def test_the_runs_are_the_papers_recipe(level, tmp_path, monkeypatch):
    monkeypatch.setattr(setting, "_CONFIGS", ("cifar10.flags",))
    both = plan(tmp_path, level)
    first, second = map(config, both.runs[:2])
    assert first.differences(both.level.recipe) == ["precision"]
    assert first.precision == "mixed_bfloat16"
    assert first.differences(second) == ["selection"]
    assert not first.start_from
    assert second.start_from == first.run_dir
    assert not second.instance_differences(first)
    # The best of all epochs is what was published.
    assert first.evaluate_every == 5 and first.keep_rounds and first.resume


def test_several_devices_train_mirrored(tmp_path):
    run = plan(tmp_path, devices=8, tiny=True, data_dir="data").runs[0]
    assert config(run).strategy == "mirrored"
    assert config(run).data_dir == "data"
    assert config(plan(tmp_path, tiny=True).runs[0]).strategy == "default"


def test_what_is_trained_is_not_counted_again(tmp_path):
    both = plan(tmp_path)
    trained(both.runs[0].path, 250)
    assert both.epochs_left == 200
    # Of these 50 were taken over.
    trained(both.runs[1].path, 60)
    assert both.epochs_left == 190
    trained(both.runs[1].path, 250)
    assert both.epochs_left == 0


def test_time_and_room(tmp_path):
    both = plan(tmp_path)
    pace = Pace(start_seconds=30, epoch_seconds=4, checkpoint_bytes=100)
    found = cost.reckon(both, pace)
    assert found.seconds == 450 * 4 + 2 * 30
    # Two newest, the best, instance learning and four rounds, for each run.
    beside = cost.reckon(both, dataclasses.replace(pace, checkpoint_bytes=0))
    assert found.bytes - beside.bytes == 2 * 8 * 100
    trained(both.runs[0].path, 100)
    there = (both.runs[0].path / "metrics.csv").stat().st_size
    assert cost.reckon(both, pace).bytes == found.bytes - there
    (both.runs[0].path / "result.json").write_text("{}")
    trained(both.runs[0].path, 250)
    left = cost.reckon(both, pace)
    assert left.seconds == 200 * 4 + 30
    assert left.bytes == found.bytes // 2


def test_the_cost_is_said(tmp_path):
    found = cost.Cost(epochs=1234, seconds=720, bytes=3 * GIBI // 2)
    text = found.sentence(tmp_path, 0)
    assert "1,234 epochs to train: about 12 minutes, and 1.5 GiB" in text
    assert "limit" not in text
    assert "of 10 minutes comes before its end" in found.sentence(tmp_path, 10)
    longer = dataclasses.replace(found, seconds=4.5 * 3600)
    assert "about 4.5 hours" in longer.sentence(tmp_path, 0)


def test_a_disk_without_room_is_refused(tmp_path):
    cost.check_disk(cost.Cost(1, 1, 0), tmp_path)
    with pytest.raises(InputError, match="GiB of free disk space"):
        cost.check_disk(cost.Cost(1, 1, 2**60), tmp_path)


class Trains(Launcher):
    """Trains an epoch each time that somebody looks."""

    def run(self, arguments, log=None, enough=lambda: False):
        path = next(a for a in arguments if a.startswith("--run_dir="))
        self.path = pathlib.Path(path.partition("=")[2])
        (self.path / "checkpoints").mkdir(parents=True)
        (self.path / "checkpoints" / "epoch_00001.npz").write_bytes(b"12345")
        for epochs in range(5):
            trained(self.path, epochs)
            if enough():
                return


def test_a_pace_is_measured_once(tmp_path):
    trial = Trial(tmp_path / "trial", ["--tiny"], 3)
    # Begins, sees no epoch, then one every 3 seconds.
    moments = iter([0.0, 1.0, 40.0, 43.0, 46.0])
    pace = measure_pace(trial, Trains(), moments.__next__)
    assert pace == Pace(40.0, 3.0, 5)
    assert trial.images_per_second == 101.5
    assert trial.losses == [8.0, 7.0, 6.0]
    assert not (trial.path / "checkpoints").exists()
    assert measure_pace(trial, None) == pace


def test_epochs_that_are_all_seen_at_once_have_the_pace_of_their_steps(
    tmp_path,
):
    class AtOnce(Launcher):
        def run(self, arguments, log=None, enough=lambda: False):
            enough()
            trained(tmp_path / "trial", 3, seconds=0.5)
            assert enough()

    trial = Trial(tmp_path / "trial", [], 3)
    moments = iter([0.0, 1.0, 9.0])
    assert measure_pace(trial, AtOnce(), moments.__next__).epoch_seconds == 0.5


def test_a_directory_is_of_one_setting(tmp_path):
    one = Setting("smoke", "NVIDIA L4", data_dir="here")
    one.claim(tmp_path)
    dataclasses.replace(one, data_dir="there").claim(tmp_path)
    with pytest.raises(InputError, match="card 'NVIDIA L4'.*'Tesla T4'"):
        dataclasses.replace(one, card="Tesla T4").claim(tmp_path)


def test_figures_count_on_a_gpu_in_full_size_alone():
    one = Setting("smoke", "NVIDIA L4")
    assert one.counts
    assert not dataclasses.replace(one, tiny=True).counts
    assert not dataclasses.replace(one, on_cpu=True).counts
