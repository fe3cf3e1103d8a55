"""Leaves the tests of pipelines out where Apache Beam is not installed.

It wants older versions of packages than the other tests run with, so that
`make test-beam` runs these tests in an environment of their own.
"""

from __future__ import annotations

import importlib.util

HAS_BEAM = importlib.util.find_spec("apache_beam") is not None
collect_ignore = [] if HAS_BEAM else ["pipelines_test.py", "retries_test.py"]
