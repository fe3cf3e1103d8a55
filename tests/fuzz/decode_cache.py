"""Tries damaged entries of the cache of decoded images."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from and_tf.data import decode_cache
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target

_SHAPES = {"images": (3, 4, 5, 3), "bytes": (1000,)}


def make(directory: pathlib.Path) -> Target:
    """Makes a target that recalls the array kept, or none if it is damaged."""
    os.environ["XDG_CACHE_HOME"] = str(directory)
    arrays = {
        name: np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        for name, shape in _SHAPES.items()
    }
    for name, array in arrays.items():
        decode_cache.keep(name, array, least=1)
    place = directory / "and_tf"
    files = {name: (place / name).read_bytes() for name in arrays}

    def check(value: Damaged) -> None:
        content = value.content(files)
        (place / "entry").write_bytes(content)
        found = decode_cache.recall("entry")
        if content == files[value.name]:
            np.testing.assert_array_equal(found, arrays[value.name])
        else:
            assert found is None, "other pixels than were kept"

    return Target(damaged(files), check)
