"""How much is done at a time, of how much memory there is."""

from __future__ import annotations

import pytest

from and_tf.distribution import devices
from and_tf.search import device

GIB = 2**30


@pytest.mark.parametrize(
    ("total", "free", "expected"),
    [
        (None, None, device.UNKNOWN_BYTES),
        (80 * GIB, 70 * GIB, 4 * GIB),  # Never more.
        (16 * GIB, 15 * GIB, 2 * GIB),  # An eighth.
        (16 * GIB, None, 2 * GIB),
        (16 * GIB, 3 * GIB, GIB),  # Halved until half of what is free.
        (16 * GIB, 2.5 * GIB, GIB),
        (16 * GIB, 0, device.LEAST_BYTES),
    ],
)
def test_budget(monkeypatch, total, free, expected):
    monkeypatch.setattr(devices, "total_bytes", lambda _: total)
    monkeypatch.setattr(devices, "free_bytes", lambda _: free)
    assert device.budget("GPU:0") == expected


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000, 50_000])
@pytest.mark.parametrize("fit", [0, 8, 100, 1024, 10**6])
def test_slices_fit_and_are_alike(count, fit):
    """As few as can be, and none with a whole row of padding too many."""
    step = device.rows_at_a_time(count, 12, 12 * fit)
    assert step % device.ALIGNED == 0
    assert step <= max(device.ALIGNED, fit)
    number = -(-count // step)
    most = max(fit // device.ALIGNED, 1) * device.ALIGNED
    assert number == -(-count // most)
    assert number * step - count < number * device.ALIGNED
