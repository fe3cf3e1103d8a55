"""Tries values of TF_CONFIG on its reader."""

from __future__ import annotations

import pathlib

from hypothesis import strategies as st

from and_tf.distribution import tf_config
from and_tf.distribution.tf_config import Cluster
from tests.fuzz.json_edits import Edited, edited
from tests.fuzz.target import Target, answer

_HOSTS = ["a:1", "b:65535", "c:2222"]
_CONFIGS = {
    "workers": {
        "cluster": {"worker": _HOSTS},
        "task": {"type": "worker", "index": 1},
    },
    "chief": {
        "cluster": {"chief": ["d:1"], "worker": _HOSTS},
        "task": {"type": "worker", "index": "2"},
    },
}


def make(directory: pathlib.Path) -> Target:
    """Makes a target that reads a cluster and asserts that it is valid."""
    del directory

    def check(value: Edited | str) -> None:
        if isinstance(value, str):
            text = value
        else:
            text = value.content(_CONFIGS).decode(errors="surrogateescape")
        found = answer(lambda: tf_config.read({"TF_CONFIG": text}))
        if found is not None:
            _check(found)

    return Target(st.one_of(edited(_CONFIGS), st.text()), check)


def _check(found: Cluster) -> None:
    assert 0 <= found.index < len(found.addresses)
    assert len(set(found.addresses)) == len(found.addresses)
    for address in found.addresses:
        host, _, port = address.rpartition(":")
        assert host and 0 < int(port) < 2**16
