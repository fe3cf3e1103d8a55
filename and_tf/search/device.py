"""Tells where TensorFlow computes, and how much memory a search has there."""

from __future__ import annotations

import tensorflow as tf

from and_tf.distribution import device_memory


def current() -> str:
    """Returns the name of the device that TensorFlow takes here."""
    return tf.zeros([]).device


def on_cpu() -> bool:
    """Returns whether TensorFlow computes on a CPU here."""
    return "CPU" in current()


# A slice takes this share of a device's memory, for a training's encoder,
# bank and optimiser lie there too, and at most these bytes: a longer product
# is no faster, and one of 2^30 numbers is still indexed by 32 bits.
SHARE = 8
MOST_BYTES = 4 * 2**30
LEAST_BYTES = 16 * 2**20
# Where nobody says how much memory there is: any accelerator has as much.
UNKNOWN_BYTES = 256 * 2**20
# Rows of a slice come in whole numbers of these.
ALIGNED = 8


def budget(device: str) -> int:
    """Returns how many bytes one slice may take on a device.

    An eighth of the device's memory, at most 4 GiB. While that is more than
    half of what is free, it is halved: a budget takes few values, so that
    shapes stay as they are from search to search and nothing is compiled
    again.

    Args:
        device: See `device_memory.total_bytes`.
    """
    total = device_memory.total_bytes(device)
    if total is None:
        return UNKNOWN_BYTES
    allowed = min(total // SHARE, MOST_BYTES)
    free = device_memory.free_bytes(device)
    while free is not None and allowed > max(free // 2, LEAST_BYTES):
        allowed //= 2
    return allowed


def rows_at_a_time(count: int, bytes_each: int, allowed: int) -> int:
    """Divides rows into slices of one size, as few as fit.

    Args:
        count: Number of rows, at least 1.
        bytes_each: What a row of a slice takes.
        allowed: What a slice may take, in bytes.

    Returns:
        Rows of a slice, a multiple of `ALIGNED`. The last slice has to be
        padded by less than `ALIGNED` rows for each slice.
    """
    most = max(ALIGNED, allowed // bytes_each // ALIGNED * ALIGNED)
    slices = -(-count // most)
    return -(-count // slices // ALIGNED) * ALIGNED
