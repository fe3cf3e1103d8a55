"""Tries checkpoints that are damaged or have unexpected content."""

from __future__ import annotations

import io
import json
import pathlib

import keras
import numpy as np
from hypothesis import strategies as st

from and_tf.training.checkpoint import Checkpoint, Checkpoints
from tests.fuzz.arrays import ARRAYS, Drawn
from tests.fuzz.json_edits import Edited, edited
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer

_METADATA = {
    "format": 2, "epochs": 2, "step": 0, "num_examples": 6,
    "arrays": {"encoder": 2, "method": 1},
    "history": [{"epoch": 0, "loss": 1.5}, {"epoch": 1, "loss": 1.25}],
    "seconds": 2.5, "baselines": {}, "data": None,
    "encoder": {"name": "small", "image_size": 8, "embedding_dim": 4},
}  # fmt: skip
_GROUPS = {
    "encoder/0000/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "encoder/0001/bias": np.arange(3, dtype=np.float32),
    "method/0000/bank": np.arange(8, dtype=np.float32).reshape(4, 2),
}


def make(directory: pathlib.Path) -> Target:
    """Makes a target that compares a checkpoint read with those written."""
    files = {"whole": _content(json.dumps(_METADATA), _GROUPS)}
    before = _content(json.dumps({**_METADATA, "epochs": 1}), _GROUPS)
    found = Checkpoints(directory)
    (directory / "epoch_00001.npz").write_bytes(before)
    names = st.sampled_from((*_GROUPS, "encoder/0002/x", "notes", "x", "a/b/c"))
    other = st.tuples(
        edited({"notes": _METADATA}), st.dictionaries(names, ARRAYS, max_size=2)
    )

    def check(value: Damaged | tuple[Edited, dict[str, Drawn]]) -> None:
        path = directory / "epoch_00002.npz"
        if isinstance(value, Damaged):
            path.write_bytes(value.content(files))
        else:
            metadata = (
                value[0].content({"notes": _METADATA}).decode(errors="replace")
            )
            arrays = {name: one.array for name, one in value[1].items()}
            path.write_bytes(_content(metadata, {**_GROUPS, **arrays}))
        checkpoint = answer(found.latest)
        if checkpoint is None:
            return
        if isinstance(value, Damaged):
            _check_same(checkpoint)
        _use(checkpoint)

    return Target(st.one_of(damaged(files), other), check)


def _content(metadata: str, arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{"notes": np.array(metadata), **arrays})
    return buffer.getvalue()


def _check_same(checkpoint: Checkpoint) -> None:
    """Asserts that a checkpoint has the numbers written, despite damage."""
    assert checkpoint.epochs in (1, 2)
    for group in ("encoder", "method"):
        expected = [a for n, a in _GROUPS.items() if n.startswith(group)]
        received = checkpoint.arrays(group)
        assert len(received) == len(expected)
        for one, other in zip(expected, received):
            np.testing.assert_array_equal(one, other)


def _use(checkpoint: Checkpoint) -> None:
    """Uses a checkpoint as a resumed run does."""
    assert checkpoint.epochs >= 0 and checkpoint.step >= 0
    checkpoint.moment.encode()
    assert isinstance(checkpoint.metadata.get("history", []), list)
    variables = [keras.Variable(np.zeros((2, 3))), keras.Variable(np.zeros(3))]
    answer(lambda: checkpoint.restore("encoder", variables))
