"""The same training however many replicas share the batch."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.replicas_run import train

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("replicas", "norm", "batch", "alone"),
    [
        # 115 images: the last batch has 19, which 2 and 4 do not divide.
        (2, "none", 32, "none"),
        (4, "none", 32, "none"),
        (4, "synchronised", 32, "local"),
        # Statistics of each replica are those of each half of the batch.
        (2, "local", 24, "ghost"),
    ],
)
def test_replicas_are_one_training(replicas, norm, batch, alone, tmp_path):
    out = tmp_path / "result.npz"
    arguments = [str(out), str(replicas), norm, str(batch)]
    process = subprocess.run(
        [sys.executable, "-m", "tests.replicas_run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    expected = train(1, alone, batch)
    with np.load(out, allow_pickle=False) as received:
        assert received.files == list(expected)
        np.testing.assert_allclose(
            received["losses"], expected.pop("losses"), atol=1e-5
        )
        for name, (value,) in expected.items():
            assert len(received[name]) == replicas
            for copy in received[name]:
                np.testing.assert_array_equal(copy, received[name][0])
                np.testing.assert_allclose(copy, value, atol=1e-5, err_msg=name)


def test_statistics_of_each_replica_are_not_those_of_the_batch():
    """Else the test above could not tell them apart."""
    of_halves, of_all = train(1, "ghost", 24), train(1, "local", 24)
    assert np.abs(of_halves["losses"] - of_all["losses"]).max() > 1e-3
