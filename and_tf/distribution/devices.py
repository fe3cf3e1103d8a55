"""Names the devices of this machine, for people to read."""

from __future__ import annotations

import os

import tensorflow as tf

from and_tf.distribution import nvidia
from and_tf.distribution.process_group import ProcessGroup


def gpu_names() -> list[str]:
    """Returns the model of each visible GPU, as its driver names it.

    Returns:
        Names such as "NVIDIA H100 80GB HBM3", in TensorFlow's order; "GPU"
        for a card whose driver does not say. Empty without a GPU.
    """
    details = tf.config.experimental.get_device_details
    devices = tf.config.list_physical_devices("GPU")
    return [details(device).get("device_name", "GPU") for device in devices]


def describe(processes: ProcessGroup) -> str:
    """Returns what this process trains on: "2 GPUs (NVIDIA L4)"."""
    names = gpu_names()
    if processes.alone:
        names = names[:1]
    elif not all("GPU" in device for device in processes.devices):
        names = []
    if not names:
        return f"{os.cpu_count()} CPU cores"
    plural = "s" if len(names) > 1 else ""
    return f"{len(names)} GPU{plural} ({', '.join(sorted(set(names)))})"


def unused_gpus() -> str:
    """Returns a sentence if this machine has a GPU that TensorFlow cannot use.

    A GPU that CUDA_VISIBLE_DEVICES hides is unused on purpose and does not
    count. If there is no unused GPU, it returns "".
    """
    if tf.config.list_physical_devices("GPU"):
        return ""
    if not (nvidia.present() and nvidia.visible_gpus()):
        return ""
    return (
        "This machine has an NVIDIA GPU, but TensorFlow cannot use it, and "
        "trains on the CPU. Install the CUDA libraries with pip install -r "
        "requirements-gpu.txt (or make demo GPU=1); if they are there, "
        "TF_CPP_MIN_LOG_LEVEL=0 shows TensorFlow's reason."
    )
