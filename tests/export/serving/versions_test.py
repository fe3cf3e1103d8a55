"""Versions appear whole or not at all, whoever else writes."""

from __future__ import annotations

import concurrent.futures
import errno
import os
import stat
import threading

import pytest

from and_tf.utils.errors import InputError
from export.serving import versions


def fill(path):
    (path / "part").write_text("whole")


def test_versions_count_on_from_what_is_there(tmp_path):
    for name in ("7", "03", "notes", ".hidden.tmp"):
        (tmp_path / name).mkdir()
    assert versions.add(tmp_path, fill) == tmp_path / "8"
    assert versions.add(tmp_path, fill) == tmp_path / "9"
    assert (tmp_path / "9" / "part").read_text() == "whole"


def test_exporters_at_once_take_different_numbers(tmp_path):
    count = 8
    barrier = threading.Barrier(count)

    def wait(path):
        fill(path)
        barrier.wait()  # All of them publish in the same moment.

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        jobs = [pool.submit(versions.add, tmp_path, wait) for _ in range(count)]
        found = sorted(int(job.result().name) for job in jobs)
    assert found == list(range(1, count + 1))
    assert sorted(os.listdir(tmp_path)) == sorted(map(str, found))


def test_what_fails_leaves_nothing(tmp_path):
    def fail(path):
        fill(path)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        versions.add(tmp_path, fail)
    assert os.listdir(tmp_path) == []


def test_others_may_read_what_is_written(tmp_path):
    """A server need not be who exported."""
    umask = os.umask(0o022)
    try:
        mode = versions.add(tmp_path, fill).stat().st_mode
    finally:
        os.umask(umask)
    assert stat.S_IMODE(mode) == 0o755


def test_nothing_is_seen_before_it_is_whole(tmp_path):
    def look(path):
        assert not [name for name in os.listdir(tmp_path) if name.isdecimal()]
        assert path.name.startswith(".")

    versions.add(tmp_path, look)


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Received the file"):
        versions.check(tmp_path / "file")
    with pytest.raises(InputError, match="Expected to write to.*Not a direc"):
        versions.check(tmp_path / "file" / "below")
    with pytest.raises(InputError, match="Expected to write to"):
        versions.check(versions.pathlib.Path("/proc/nowhere"))
