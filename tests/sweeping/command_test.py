"""Which command a sweep is of."""

from __future__ import annotations

import dataclasses

import pytest

from and_tf.scan.config import ClusterConfig
from and_tf.sweeping import command
from and_tf.sweeping.grid import check_directories, runs_of, varied
from and_tf.training.config import TrainConfig
from and_tf.utils.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "train"),
        (["--command=cluster"], "cluster"),
        (["--seeds", "3", "--novary", "--command", "cluster"], "cluster"),
        (["--vary=clusters=5", "--command=train"], "train"),
        (["--command=neither"], "train"),
        (["--command"], "train"),
    ],
)
def test_is_found_among_flags_that_nobody_knows_yet(arguments, name):
    assert command.named_in(["sweep", *arguments]).name == name


def test_a_flagfile_may_say_it(tmp_path):
    path = tmp_path / "sweep.flags"
    path.write_text("--seeds=3\n--command=cluster\n")
    found = command.named_in(["sweep", f"--flagfile={path}"])
    assert found is command.CLUSTER


def test_configs_have_their_commands():
    clustering = ClusterConfig(run_dir="runs/x")
    assert command.command_of(clustering).module == "and_tf.cluster"
    assert command.command_of(TrainConfig()).module == "and_tf.train"


def test_clusterings_of_several_runs_lie_beside_each_other(tmp_path):
    """Slashes in what is varied make no directories."""
    vary = varied(["run_dir=runs/and,/runs/and", "heads=1"], command.CLUSTER)
    runs = runs_of(ClusterConfig(run_dir="x"), vary, 2, tmp_path)
    assert runs[0].path == tmp_path / "run_dir=runs%2Fand,heads=1" / "seed_0"
    assert len({run.path for run in runs}) == 4
    assert {run.path.parent.parent for run in runs} == {tmp_path}
    assert [run.config.run_dir for run in runs] == ["runs/and", "/runs/and"] * 2
    assert all(run.config.resume for run in runs)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ("output_dir=a,b", "output_dir, for which a sweep has --sweep_dir"),
        ("rounds=1,2", "a flag of and_tf.cluster in --vary.*'rounds'"),
    ],
)
def test_refuses_what_clusterings_have_not(vary, message):
    with pytest.raises(InputError, match=message):
        varied([vary], command.CLUSTER)


def test_a_sweep_is_of_the_run_that_it_began_with(tmp_path):
    base = ClusterConfig(run_dir="runs/x")
    runs = runs_of(base, {}, 1, tmp_path)
    runs[0].path.mkdir(parents=True)
    (runs[0].path / "flags.cfg").write_text(runs[0].config.to_flagfile())
    check_directories(runs)
    other = dataclasses.replace(base, run_dir="runs/y")
    with pytest.raises(InputError, match="--run_dir=runs/x. Received.*runs/y"):
        check_directories(runs_of(other, {}, 1, tmp_path))
