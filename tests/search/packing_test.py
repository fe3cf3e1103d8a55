"""Tensors packed into one, and what waits for what."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.search import packing as module
from and_tf.search.packing import Packing, fetched


@pytest.mark.parametrize("kept", [5, 3])
def test_gives_back_what_it_was_given(rng, kept):
    """Every bit, also of NaN and of integers that are no numbers as floats."""
    numbers = rng.normal(size=(5, 3)).astype(np.float32)
    numbers[0] = np.nan, -np.inf, 1e-42
    given = (
        numbers,
        rng.integers(-(2**31), 2**31, (5, 2)).astype(np.int32),
        rng.normal(size=5),
        rng.integers(-(2**62), 2**62, (5, 2, 2)),
    )
    packing = Packing()
    pack = tf.function(
        lambda *t: packing.pack(t), autograph=False, jit_compile=True
    )
    words = pack(*map(tf.constant, given))
    assert (words.dtype, words.shape) == (tf.uint32, (5, 3 + 2 + 2 + 8))
    found = packing.empty(kept)
    packing.unpack(words.numpy(), found)
    for mine, expected in zip(found, given, strict=True):
        assert mine.dtype == expected.dtype
        assert mine.tobytes() == expected[:kept].tobytes()


def test_the_next_is_launched_before_the_last_is_waited_for(monkeypatch):
    events = []
    monkeypatch.setattr(
        module, "fetch", lambda x: events.append(f"wait {x}") or x
    )

    def launch():
        for i in range(3):
            events.append(f"launch {i}")
            yield i

    assert list(fetched(launch())) == [0, 1, 2]
    assert events == [
        *("launch 0", "launch 1", "wait 0"),
        *("launch 2", "wait 1", "wait 2"),
    ]
    assert list(fetched(iter(()))) == []
