"""Names the devices of this machine, and tells how much memory they have."""

from __future__ import annotations

import os
import re
import subprocess

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


def total_bytes(device: str) -> int | None:
    """Returns how much memory this process may use on an accelerator.

    TensorFlow knows the number, though no public function tells it: for a
    GPU it is what was free when TensorFlow took the device, less a reserve,
    or the limit of a logical device. If TensorFlow does not tell it, it is the
    memory of the smallest GPU that `nvidia-smi` lists.

    Args:
        device: The name of a device of this process, such as "GPU:0" or
            "/job:localhost/replica:0/task:0/device:GPU:0". An empty name
            means TensorFlow's default device.

    Returns:
        The number of bytes; None for a CPU, or if it is unknown.
    """
    kind, number = _kind_and_number(device)
    if kind == "CPU":
        return None
    limits = _limits_of_tensorflow()
    return limits.get((kind, number)) or (
        _smallest_of_nvidia_smi() if kind == "GPU" else None
    )


def free_bytes(device: str) -> int | None:
    """Returns how much of `total_bytes` this process' tensors leave free.

    Args:
        device: The name of a device, see `total_bytes`.

    Returns:
        The number of bytes, at least 0; None if `total_bytes` is None, or
        TensorFlow does not count the memory in use.
    """
    total = total_bytes(device)
    if total is None:
        return None
    kind, number = _kind_and_number(device)
    try:
        info = tf.config.experimental.get_memory_info(f"{kind}:{number}")
    except (ValueError, tf.errors.OpError):
        return None
    return max(0, total - info["current"])


def _kind_and_number(device: str) -> tuple[str, int]:
    """Splits a device's name: ".../device:GPU:0" gives ("GPU", 0)."""
    name = device or tf.zeros([]).device
    found = re.search(r"(\w+):(\d+)$", name)
    return (found[1].upper(), int(found[2])) if found else ("CPU", 0)


def _limits_of_tensorflow() -> dict[tuple[str, int], int]:
    """Returns the limits of this process' devices in bytes, by their names.

    These are the devices in use. `device_lib.list_local_devices` would create
    all devices a second time, hidden ones included.
    """
    try:
        # These modules are not public, so errors are caught: another version of
        # TensorFlow may have moved them, and the caller has another way.
        from tensorflow.python import pywrap_tfe
        from tensorflow.python.client import pywrap_tf_session
        from tensorflow.python.eager import context

        context.ensure_initialized()
        devices = pywrap_tfe.TFE_ContextListDevices(context.context()._handle)
        return {
            _kind_and_number(
                pywrap_tfe.TF_DeviceListName(devices, i)
            ): pywrap_tf_session.TF_DeviceListMemoryBytes(devices, i)
            for i in range(pywrap_tfe.TF_DeviceListCount(devices))
        }
    except (ImportError, AttributeError, TypeError, tf.errors.OpError):
        return {}


def _smallest_of_nvidia_smi() -> int | None:
    """Returns the memory of the smallest GPU that NVIDIA's tool lists."""
    command = [
        "nvidia-smi",
        "--query-gpu=memory.total",
        "--format=csv,noheader,nounits",
    ]
    try:
        listed = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=True
        ).stdout
        return min(int(line) for line in listed.split()) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
