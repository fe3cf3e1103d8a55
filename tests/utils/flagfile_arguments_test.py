"""Flagfiles are found, and stand for the flags in them as absl has it."""

from __future__ import annotations

import pytest
from absl import flags

from and_tf.training.config import TrainConfig, from_flagfile
from and_tf.utils import flag_files
from and_tf.utils.errors import InputError
from and_tf.utils.flag_files import expand, find

CONFIGS = flag_files.project_configs()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def absls(arguments: list[str]) -> list[str]:
    """What absl itself makes of them."""
    return flags.FlagValues().read_flags_from_files(arguments)


def test_stands_for_flags_where_absl_puts_them(here):
    (here / "inner.flags").write_text("# of both\n--b=1\n\n// none\n--c=x y\n")
    (here / "outer.flags").write_text("--a=1\n--flagfile=inner.flags\n--d=1")
    for arguments in (
        [],
        ["--a=0", "--flagfile=inner.flags", "--b=2"],
        ["--flagfile=outer.flags", "--flagfile", "inner.flags", "stray"],
        [f"-flagfile={here / 'outer.flags'}", "-flagfile", "inner.flags"],
        ["--flagfile=inner.flags", "--flagfile=inner.flags", "--flagfile="],
        ["--b=1", "--", "--flagfile=inner.flags", "--d"],
    ):
        assert expand(arguments) == absls(arguments)


@pytest.mark.parametrize("name", ["quick.flags", "configs/quick.flags"])
def test_a_config_of_the_project_is_found_from_anywhere(here, name):
    assert find(name) == CONFIGS / "quick.flags"
    assert expand([f"--flagfile={name}"]) == absls(
        [f"--flagfile={CONFIGS / 'quick.flags'}"]
    )
    (here / "mine.flags").write_text(f"--flagfile={name}\n--rounds=7\n")
    config = from_flagfile(TrainConfig, here / "mine.flags")
    assert (config.run_dir, config.rounds) == ("runs/quick", 7)


def test_what_lies_in_the_working_directory_comes_first(here):
    (here / "configs").mkdir()
    (here / "configs" / "quick.flags").write_text("--seed=1\n")
    assert expand(["--flagfile=configs/quick.flags"]) == ["--seed=1"]
    assert find("quick.flags") == CONFIGS / "quick.flags"
    (here / "quick.flags").write_text("--seed=2\n")
    assert expand(["--flagfile=quick.flags"]) == ["--seed=2"]


def test_a_wheel_has_them_in_the_package(here, monkeypatch):
    package = here / "site" / "and_tf"
    monkeypatch.setattr(flag_files, "_PACKAGE", package)
    assert flag_files.project_configs() == here / "site" / "configs"
    (package / "configs").mkdir(parents=True)
    (package / "configs" / "only.flags").write_text("--seed=3\n")
    assert expand(["--flagfile=configs/only.flags"]) == ["--seed=3"]


@pytest.mark.parametrize("name", ["quik.flags", "configs/quik.flags"])
def test_says_where_it_was_looked_for(here, name):
    with pytest.raises(InputError) as error:
        expand([f"--flagfile={name}"])
    for part in (here / name, CONFIGS / "quik.flags", "such as quick.flags."):
        assert str(part) in str(error.value)


@pytest.mark.parametrize("name", ["{}/quick.flags", "../quick.flags", "a/b.x"])
def test_a_path_is_looked_for_in_one_place(here, name):
    with pytest.raises(InputError, match="is not there: looked") as error:
        expand(["--flagfile", name.format(here)])
    assert str(CONFIGS) not in str(error.value)


def test_flagfiles_that_name_each_other_are_refused(here):
    (here / "a.flags").write_text("--flagfile=b.flags\n")
    (here / "b.flags").write_text("--flagfile=./a.flags\n")
    with pytest.raises(InputError, match="a.flags > .*b.flags > .*a.flags"):
        expand(["--flagfile=a.flags"])


def test_names_and_contents_need_not_be_utf_8(here):
    (here / "caf\udce9.flags").write_bytes(b"--run_dir=caf\xe9\r\n--seed=1")
    assert expand(["--flagfile=caf\udce9.flags"]) == [
        "--run_dir=caf\udce9",
        "--seed=1",
    ]


def test_a_name_is_missed_as_absl_does():
    for read in (expand, absls):
        with pytest.raises(flags.IllegalFlagValueError, match="no argument"):
            read(["--seed=1", "--flagfile"])
