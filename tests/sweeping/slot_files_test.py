"""The directory of the slots cannot be abused by other users."""

from __future__ import annotations

import os
import pathlib
import tempfile

import pytest

from and_tf.sweeping import slot_files
from and_tf.utils.errors import InputError


@pytest.fixture
def path(tmp_path, monkeypatch) -> pathlib.Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"and_tf-gpus-{os.geteuid()}"


def test_is_closed_to_all_others(path):
    with slot_files.opened() as slots:
        os.close(slots.lock("0", 1))
    assert path.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in path.iterdir()} == {"gate", "0.slot_0"}
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}


def test_a_link_is_not_followed(path, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    path.symlink_to(elsewhere)
    with pytest.raises(InputError, match="a directory of this user alone"):
        with slot_files.opened():
            pass
    assert not list(elsewhere.iterdir())


def test_nor_is_one_in_the_place_of_a_slot(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.mkdir(mode=0o700)
    (path / "0.slot_0").symlink_to(victim)
    with pytest.raises(InputError, match="Remove it, or name another place"):
        with slot_files.opened() as slots:
            slots.lock("0", 1)
    assert victim.read_text() == "precious"


def test_what_others_could_write_to_is_not_used(path):
    path.mkdir()
    path.chmod(0o770)
    with pytest.raises(InputError, match="others may use it, by its mode 770"):
        with slot_files.opened():
            pass


def test_what_somebody_else_made_is_not_used(path, monkeypatch):
    path.mkdir(mode=0o700)
    owner, status = os.geteuid(), os.stat(path)
    stranger = os.stat_result((*status[:4], owner + 1, *status[5:10]))
    monkeypatch.setattr(os, "fstat", lambda _: stranger)
    with pytest.raises(InputError, match=f"belongs to user {owner + 1}"):
        with slot_files.opened():
            pass


def test_no_place_for_temporary_files(path, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(InputError, match="No such file or directory"):
        with slot_files.opened():
            pass
