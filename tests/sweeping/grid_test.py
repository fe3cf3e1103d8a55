"""Which runs a sweep has, and what it refuses before any starts."""

from __future__ import annotations

import dataclasses

import pytest

from and_tf.sweeping.grid import check_directories, runs_of, varied
from and_tf.training.config import TrainConfig
from and_tf.utils.errors import InputError


def test_every_combination_with_every_seed(tmp_path):
    base = TrainConfig(dataset="digits", seed=3, run_dir="of a config")
    vary = varied(["neighbourhood_size=1,5", "--selection=curriculum,one_off"])
    runs = runs_of(base, vary, 2, tmp_path)

    assert [
        (r.config.seed, r.config.neighbourhood_size, r.config.selection)
        for r in runs
    ] == [
        (seed, k, selection)
        for seed in (3, 4)
        for k in (1, 5)
        for selection in ("curriculum", "one_off")
    ]
    assert runs[-1].path == (
        tmp_path / "neighbourhood_size=5,selection=one_off" / "seed_4"
    )
    assert all(run.config.resume for run in runs)
    assert {run.config.dataset for run in runs} == {"digits"}


def test_values_have_their_flags_types():
    assert varied(
        ["temperature=0.1,1", "baselines=true,false", "backbone=small"]
    ) == {
        "temperature": [0.1, 1.0],
        "baselines": [True, False],
        "encoder": ["small"],
    }


def test_nothing_varied_is_one_combination(tmp_path):
    runs = runs_of(TrainConfig(), varied([]), 3, tmp_path)
    assert [run.path for run in runs] == [
        tmp_path / "default" / f"seed_{seed}" for seed in range(3)
    ]


def test_a_slash_makes_no_directory(tmp_path):
    vary = varied(["train_split=a/b,train[:50%]"])
    paths = [run.path for run in runs_of(TrainConfig(), vary, 1, tmp_path)]
    assert {path.parent.parent for path in paths} == {tmp_path}
    assert len(set(paths)) == 2


def test_refuses_a_directory_that_no_file_system_has(tmp_path):
    vary = varied([f"train_split=a,{'é' * 50}"])  # Each is %C3%A9.
    with pytest.raises(InputError, match="at most 255 .*Received 312"):
        runs_of(TrainConfig(), vary, 1, tmp_path)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["neighbourhood_sise=1"], "a flag of and_tf.train.*Received: 'neigh"),
        (["neighbourhood_size"], "flag=value,value"),
        (["neighbourhood_size="], "flag=value,value"),
        (["neighbourhood_size=1,two"], "Received: 'two'"),
        (["neighbourhood_size=1,"], "Received: ''"),
        (["selection=some"], "should be one of"),
        (["temperature=0.1,0.10"], "each value of temperature once"),
        (["rounds=1", "rounds=2"], "rounds in two"),
        (["seed=1,2"], "Received: seed, for which a sweep has --seeds"),
        (["run_dir=a,b"], "has --sweep_dir"),
    ],
)
def test_refuses_words(vary, message):
    with pytest.raises(InputError, match=message):
        varied(vary)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ("neighbourhood_size=1,0", "at least 1. Received: 0"),
        ("memory_momentum=0.5,2", "at most 1. Received: 2"),
        ("temperature=nan", "above 0. Received: nan"),
    ],
)
def test_refuses_values_out_of_bounds(tmp_path, vary, message):
    with pytest.raises(InputError, match=message):
        runs_of(TrainConfig(), varied([vary]), 1, tmp_path)


def test_refuses_a_directory_of_another_sweep(tmp_path):
    base, vary = TrainConfig(dataset="digits"), varied(["rounds=1,2"])
    runs = runs_of(base, vary, 1, tmp_path)
    check_directories(runs)  # Nothing there yet.
    runs[1].path.mkdir(parents=True)
    (runs[1].path / "flags.cfg").write_text(runs[1].config.to_flagfile())
    moved = dataclasses.replace(base, data_dir="elsewhere")
    check_directories(runs_of(moved, vary, 1, tmp_path))

    other = runs_of(
        dataclasses.replace(base, temperature=0.2), vary, 1, tmp_path
    )
    with pytest.raises(InputError, match="--temperature=0.1. Received.*=0.2"):
        check_directories(other)
