"""A short form of the soak; `python -m tests.soak` is the long one."""

from __future__ import annotations

from tests.soak import KINDS, soak


def test_one_interruption_of_each_kind(tmp_path):
    soak(tmp_path, len(KINDS), seed=1, data_sets=["digits"])
