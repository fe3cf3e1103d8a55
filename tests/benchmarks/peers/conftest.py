"""Leaves the tests of PyTorch's side out where its environment is missing.

lightly and PyTorch are in an environment of their own, of several GB, which
`make test-peers` and `make bench-peers` make.
"""

from __future__ import annotations

import pathlib

ROOT = pathlib.Path(__file__).parents[3]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
collect_ignore = [] if PYTHON.exists() else ["torch_test.py"]
