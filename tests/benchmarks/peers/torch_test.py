"""The peers' network against ours, and their parts; see conftest.py."""

from __future__ import annotations

import subprocess

from benchmarks.harness.programs import Launcher
from benchmarks.peers import same_network, theirs
from tests.benchmarks.peers.conftest import PYTHON, ROOT


def test_the_networks_are_one(tmp_path):
    theirs.check_python(str(PYTHON))
    assert same_network.check(Launcher(python=str(PYTHON)), tmp_path) <= 1e-5


def test_methods_and_views():
    done = subprocess.run(
        [PYTHON, "-m", "tests.benchmarks.peers.torch_checks"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith("well\n"), done.stderr
