"""What is being written, and what killed processes left."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from and_tf.utils import atomic_files, temporary_files
from and_tf.utils.errors import InputError
from tests.utils.cli_test import ROOT

WRITER = """
import pathlib, sys
from and_tf.utils import temporary_files

place = pathlib.Path(sys.argv[1])
with (
    temporary_files.directory(place) as path,
    temporary_files.create(place / "a") as file,
):
    (path / "part").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_sweeps_what_is_dead_and_never_what_lives(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout.readline() == b"writing\n"
        temporary_files.sweep(tmp_path)
        assert len(os.listdir(tmp_path)) == 2
        writer.kill()
    assert len(os.listdir(tmp_path)) == 2  # A killed process tidies nothing.
    temporary_files.sweep(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name", [".mine.tmp", ".hidden.tmp", "a.0123456789.tmp", f".{'a' * 31}.tmp"]
)
def test_leaves_what_others_made(tmp_path, name):
    (tmp_path / name).mkdir()
    temporary_files.sweep(tmp_path)
    assert (tmp_path / name).is_dir()


def test_follows_no_link_to_what_it_sweeps(tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    link = tmp_path / f".{'a' * 32}.tmp"
    link.symlink_to(victim)
    temporary_files.sweep(tmp_path)
    assert victim.is_dir()


def test_sweeps_files_of_earlier_versions_below(tmp_path):
    left = tmp_path / "checkpoints" / ".epoch_00001.npz.77.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    temporary_files.sweep(tmp_path, deep=False)
    assert left.exists()
    temporary_files.sweep(tmp_path)
    assert not left.exists()


def test_names_cannot_be_guessed_and_fit(tmp_path):
    path = tmp_path / ("x" * 250)
    names = {temporary_files.name_beside(path) for _ in range(9)}
    assert len(names) == 9
    atomic_files.write_text(path, "long")
    assert path.read_text() == "long"


def test_a_link_in_the_place_of_a_name_is_never_followed(tmp_path, monkeypatch):
    """Even if somebody had guessed it."""
    victim, guessed = tmp_path / "victim", tmp_path / "guessed"
    victim.write_text("mine")
    guessed.symlink_to(victim)
    monkeypatch.setattr(temporary_files, "name_beside", lambda path: guessed)
    with pytest.raises(InputError, match="File exists"):
        atomic_files.write_text(tmp_path / "result.json", "theirs")
    assert victim.read_text() == "mine" and guessed.is_symlink()


def test_whatever_ends_writing_leaves_nothing(tmp_path):
    def interrupt(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_files.write(tmp_path / "a", interrupt)
    assert os.listdir(tmp_path) == []


def test_text_keeps_names_that_are_no_utf_8(tmp_path):
    atomic_files.write_text(tmp_path / "a", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "a").read_bytes() == b"caf\xe9"
