"""Finds the device that TensorFlow uses, and a search's memory budget there."""

from __future__ import annotations

import tensorflow as tf

from and_tf.distribution import devices


def current() -> str:
    """Returns the name of the device that TensorFlow uses here."""
    return tf.zeros([]).device


def on_cpu() -> bool:
    """Returns whether TensorFlow computes on a CPU here."""
    return "CPU" in current()


# A slice takes 1 / SHARE of a device's memory, because the encoder, the bank
# and the optimiser are in it too, and at most MOST_BYTES: a larger product is
# no faster, and one of 2^30 numbers can still be indexed by 32 bits.
SHARE = 8
MOST_BYTES = 4 * 2**30
LEAST_BYTES = 16 * 2**20
# The budget if the size of the memory is unknown: any accelerator has as much.
UNKNOWN_BYTES = 256 * 2**20
# The number of rows of a slice is a multiple of this.
ALIGNED = 8


def budget(device: str) -> int:
    """Returns the number of bytes that one slice may take on a device.

    It is an eighth of the device's memory, at most 4 GiB, and is halved while
    it is more than half of the free memory. So a budget has few possible
    values: shapes rarely change from search to search, and nothing has to be
    compiled again.

    Args:
        device: The name of the device; see `devices.total_bytes`.
    """
    total = devices.total_bytes(device)
    if total is None:
        return UNKNOWN_BYTES
    allowed = min(total // SHARE, MOST_BYTES)
    free = devices.free_bytes(device)
    while free is not None and allowed > max(free // 2, LEAST_BYTES):
        allowed //= 2
    return allowed


def rows_at_a_time(count: int, bytes_each: int, allowed: int) -> int:
    """Divides rows into as few slices of equal size as the memory allows.

    Args:
        count: The number of rows, at least 1.
        bytes_each: The bytes that one row of a slice takes.
        allowed: The bytes that a slice may take.

    Returns:
        The number of rows of a slice, a multiple of `ALIGNED`. The last slice
        has to be padded by less than `ALIGNED` rows for each slice.
    """
    most = max(ALIGNED, allowed // bytes_each // ALIGNED * ALIGNED)
    slices = -(-count // most)
    return -(-count // slices // ALIGNED) * ALIGNED
