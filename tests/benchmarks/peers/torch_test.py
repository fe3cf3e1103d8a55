"""The peers' network against ours, and their parts, where PyTorch is.

`make test` does not install it; `make bench-peers` does.
"""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from and_tf.utils.errors import InputError
from benchmarks.harness.programs import Launcher
from benchmarks.peers import same_network, theirs

ROOT = pathlib.Path(__file__).parents[3]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"


@pytest.fixture(scope="module")
def python() -> str:
    try:
        theirs.check_python(str(PYTHON))
    except InputError as error:
        pytest.skip(str(error))
    return str(PYTHON)


def test_the_networks_are_one(python, tmp_path):
    assert same_network.check(Launcher(python=python), tmp_path) <= 1e-5


def test_methods_and_views(python):
    done = subprocess.run(
        [python, "-m", "tests.benchmarks.peers.torch_checks"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith("well\n"), done.stderr
