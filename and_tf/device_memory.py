"""How much memory a device has."""

from __future__ import annotations


def total_bytes(device: str) -> int | None:
    """Bytes of a device's memory that TensorFlow may use; None: unknown."""
    from tensorflow.python.client import device_lib

    for found in device_lib.list_local_devices():
        if found.name.endswith(device) or device.endswith(found.name):
            return found.memory_limit
    return None
