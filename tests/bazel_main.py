"""Runs pytest on the files in its arguments, for the targets of Bazel."""

from __future__ import annotations

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
