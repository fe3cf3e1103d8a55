"""Comparisons that are kept between explorations."""

from __future__ import annotations

import numpy as np

from and_tf.exploring.stages import Stages

_FORMS = ("f", 2), ("b", 1)


def test_a_stage_is_computed_once_for_the_same_inputs(tmp_path):
    calls = []

    def get(*inputs, directory=tmp_path / "compared"):
        def compute():
            calls.append(inputs)
            return np.full((2, 3), len(calls), np.float32), np.ones(4, bool)

        arrays = Stages(directory).get("stage", inputs, _FORMS, compute)
        assert [a.shape for a in arrays] == [(2, 3), (4,)]
        return arrays[0][0, 0]

    rows = np.zeros((0, 5), np.float32)
    assert [get(rows, 1, None), get(rows, 1, None)] == [1, 1]
    # Other numbers, texts, shapes and dtypes are other inputs.
    others = [
        (rows, 2, None), (rows, 1, "x"), (rows[:, :2], 1, None),
        (np.zeros(3), 1), (np.ones(3), 1), (np.zeros(3, np.float32), 1),
    ]  # fmt: skip
    assert [get(*inputs) for inputs in others] == [2, 3, 4, 5, 6, 7]
    assert get(*others[-1]) == 7
    (path,) = (tmp_path / "compared").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    assert [get(*others[-1]), get(*others[-1])] == [8, 8]
    assert get(1, directory=None) != get(1, directory=None)
