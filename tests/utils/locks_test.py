"""Locks between threads and processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

from and_tf.utils import atomic_files, locks
from and_tf.utils.errors import InputError
from tests.utils.cli_test import ROOT

COUNT = """
import json, pathlib, sys
from and_tf.utils import atomic_files, locks

path = pathlib.Path(sys.argv[1])
for i in range(50):
    with locks.exclusive(path):
        found = json.loads(path.read_text())
        atomic_files.write_json(path, [*found, f"{sys.argv[2]} {i}"])
"""


def test_two_processes_lose_nothing_of_each_other(tmp_path):
    path = tmp_path / "result.json"
    atomic_files.write_json(path, [])
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT, str(path), name], cwd=ROOT
        )
        for name in "ab"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    found = json.loads(path.read_text())
    assert sorted(found) == sorted(f"{n} {i}" for n in "ab" for i in range(50))


def test_does_not_wait_for_ever(tmp_path):
    path = tmp_path / "result.json"
    with locks.exclusive(path):
        with pytest.raises(InputError, match="another process keeps it locked"):
            with locks.exclusive(path, patience=0):
                pass
    with locks.exclusive(path, patience=0):
        pass


def test_follows_no_link(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".result.json.lock").symlink_to(victim)
    with pytest.raises(InputError, match="Expected to write .*json.lock"):
        with locks.exclusive(tmp_path / "result.json"):
            pass
    assert victim.read_text() == "mine"


def test_waits_for_another_thread(tmp_path):
    path = tmp_path / "result.json"
    entered, order = threading.Event(), []

    def wait():
        entered.set()
        with locks.exclusive(path):
            order.append("second")

    other = threading.Thread(target=wait)
    with locks.exclusive(path):
        other.start()
        assert entered.wait(60)
        order.append("first")
    other.join(60)
    assert order == ["first", "second"]
