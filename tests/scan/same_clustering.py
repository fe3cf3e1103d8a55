"""Asserts that two directories hold the same clustering."""

from __future__ import annotations

from and_tf.scan.directory import ClusterDirectory
from tests.same_run import assert_same_arrays, events, rows_of


def assert_same(whole: ClusterDirectory, parts: ClusterDirectory) -> None:
    """Asserts that clusterings are equal to the bit, except for times."""
    assert_same_arrays(
        whole.checkpoints.paths()[-1], parts.checkpoints.paths()[-1]
    )
    assert rows_of(whole.metrics) == rows_of(parts.metrics)
    for key in ("acc", "head", "head_losses", "cluster_sizes", "confusion"):
        assert whole.read_result()[key] == parts.read_result()[key]
    expected, received = (events(d.tensorboard) for d in (whole, parts))
    assert sorted(expected) == sorted(received)
