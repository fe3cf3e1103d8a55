"""Names the accelerators that TensorFlow sees."""

from __future__ import annotations

import tensorflow as tf


def gpu_names() -> list[str]:
    """Returns the model of each visible GPU, as its driver names it.

    Returns:
        Names such as "NVIDIA H100 80GB HBM3", in TensorFlow's order; "GPU"
        for a card whose driver does not say. Empty without a GPU.
    """
    details = tf.config.experimental.get_device_details
    devices = tf.config.list_physical_devices("GPU")
    return [details(device).get("device_name", "GPU") for device in devices]
