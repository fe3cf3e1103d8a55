"""A short form of the soak; `python -m tests.soak` is the long one."""

from __future__ import annotations

import pathlib

import pytest

from tests import soak_jobs
from tests.soak import KINDS, soak


def test_one_interruption_of_each_kind(tmp_path):
    soak(tmp_path, len(KINDS), seed=1, data_sets=["digits"])


# Writes one number after another, each file whole or not at all. The first
# goes on after the last one that is there; the second begins in the middle of
# what was written, and so ends otherwise when interrupted.
_COUNTS = """
import os, pathlib, sys, time
place = pathlib.Path(sys.argv[1]); place.mkdir(exist_ok=True)
for number in range({first}, 20):
    time.sleep(0.01)
    (place / ".new").write_text(str({value}))
    os.replace(place / ".new", place / str(number))
"""
_RESUMES = _COUNTS.format(first="len([*place.glob('[0-9]*')])", value="number")
_CONFUSED = _COUNTS.format(first="0", value="len(os.listdir(place))")


def _job(script: str) -> soak_jobs.Job:
    def check(whole: pathlib.Path, parts: pathlib.Path) -> None:
        found = [
            {p.name: p.read_text() for p in place.glob("[0-9]*")}
            for place in (whole, parts)
        ]
        assert found[0] == found[1]

    return soak_jobs.Job(lambda _, output: ["-c", script, str(output)], check)


def test_jobs_that_go_on_end_the_same(tmp_path):
    said = []
    soak_jobs.soak(_job(_RESUMES), tmp_path, 4, seed=1, say=said.append)
    assert "4 interruptions, the same in the end" in said[-1]
    assert any(line.startswith("SIGTERM") for line in said)


def test_jobs_that_end_otherwise_are_noticed(tmp_path):
    with pytest.raises(AssertionError):
        soak_jobs.soak(_job(_CONFUSED), tmp_path, 2, seed=1)
