"""Runs a function on a number of replicas, in a process of its own.

A new process is needed because the number of logical CPU devices is fixed when
TensorFlow starts.
"""

from __future__ import annotations

import importlib
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

import tests.conftest  # noqa: F401  Configures devices before `main` does.

ROOT = pathlib.Path(__file__).parents[1]
Function = Callable[[tf.distribute.Strategy, pathlib.Path], Mapping]


def on_replicas(
    function: Function, count: int, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """Calls a function of a module under a strategy of CPU devices.

    Args:
        function: A function of the strategy and of `directory` that returns
            arrays by name.
        count: The number of replicas.
        directory: A directory where the function may read and write.

    Returns:
        The arrays by name.
    """
    name = f"{function.__module__}:{function.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.on_replicas", name, str(count),
         str(directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    with np.load(directory / f"{function.__name__}_{count}.npz") as arrays:
        return dict(arrays)


def main(name: str, count: str, directory: str) -> None:
    """Calls the function in the new process and saves its arrays."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * int(count)
    )
    # Imported after that, because a module may use TensorFlow on import.
    module, function = name.split(":")
    call = getattr(importlib.import_module(module), function)
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{i}" for i in range(int(count))]
    )
    assert strategy.num_replicas_in_sync == int(count)
    path = pathlib.Path(directory)
    np.savez(path / f"{function}_{count}.npz", **call(strategy, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
