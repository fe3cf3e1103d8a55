"""Tries PyTorch files that are damaged, or whose tensors lie anywhere."""

from __future__ import annotations

import itertools
import math
import pathlib

import numpy as np
from hypothesis import strategies as st

from and_tf.encoders import torch_file
from tests.encoders.torch_files import FORMATS, Stored, stored, written
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer

_NUMBERS = np.arange(12, dtype=np.float32)
_STATE = {
    "a.weight": Stored("FloatStorage", _NUMBERS, (3, 2), (1, 3), 2),
    "a.bias": Stored("FloatStorage", _NUMBERS, (12,), (1,)),
    "a.steps": stored("LongStorage", np.array(7), "1"),
    "b": stored("BFloat16Storage", np.array([0x3FC0], np.uint16), "2"),
}
_VALUES = {
    "a.weight": np.array([[2, 5], [3, 6], [4, 7]], np.float32),
    "a.bias": _NUMBERS,
    "a.steps": np.array(7),
    "b": np.array([1.5], np.float32),
}
# Small ones, of which some fit, and those that overflow.
_SIZES = st.one_of(
    st.integers(-1, 4), st.sampled_from((2**31, 2**40, 2**62, 2**63, 2**70))
)


def make(directory: pathlib.Path) -> Target:
    """Makes a target that compares the arrays read with those written."""
    files = {name: written(name, _STATE) for name in FORMATS}
    sizes = st.lists(_SIZES, max_size=3)
    tensors = st.tuples(
        st.sampled_from(sorted(FORMATS)), sizes, sizes, _SIZES, _SIZES
    )
    path = directory / "weights.pth"

    def check(value: Damaged | tuple) -> None:
        if isinstance(value, Damaged):
            content = value.content(files)
            path.write_bytes(content)
            found = answer(lambda: torch_file.read(path))
            if found is not None:
                _check_damaged(found, value.name, len(content))
            return
        form, shape, strides, offset, length = value
        tensor = Stored(
            "FloatStorage", _NUMBERS, shape, strides, offset, length=length
        )
        path.write_bytes(written(form, {"a": tensor}))
        found = answer(lambda: torch_file.read(path))
        _check_place(found, tensor, form)

    return Target(st.one_of(damaged(files), tensors), check)


def _check_damaged(
    found: dict[str, np.ndarray], form: str, length: int
) -> None:
    """Asserts what can be known: only an archive has checksums."""
    if form == "archive":
        assert list(found) == list(_VALUES)
        for name, expected in _VALUES.items():
            np.testing.assert_array_equal(found[name], expected)
    for array in found.values():
        # A float32 of a bfloat16 takes twice its bytes.
        assert array.nbytes <= 2 * length
        array.copy()


def _check_place(
    found: dict[str, np.ndarray] | None, tensor: Stored, form: str
) -> None:
    """Asserts that a tensor is read if and only if all of it is there."""
    assert tensor.length is not None
    # A stream says beside the numbers how many they are.
    stored = len(_NUMBERS)
    claimed = 0 <= tensor.length <= stored
    fits = claimed if form == "archive" else tensor.length == stored
    fits = fits and len(tensor.shape) == len(tensor.strides)
    fits = fits and min((tensor.offset, *tensor.shape, *tensor.strides)) >= 0
    if not fits:
        assert found is None
        return
    count = math.prod(tensor.shape)
    if count > tensor.length:
        assert found is None
        return
    places = [
        tensor.offset + sum(i * s for i, s in zip(index, tensor.strides))
        for index in itertools.product(
            *map(range, tensor.shape if count else (0,))
        )
    ]
    if max(places, default=0) >= tensor.length and places:
        assert found is None
    elif count:
        assert found is not None
        assert found["a"].shape == tuple(tensor.shape)
        np.testing.assert_array_equal(found["a"].ravel(), _NUMBERS[places])
