"""Share what sides need: the same inputs, as many threads, memory's peak."""

from __future__ import annotations

import pathlib
import resource
import sys
import zlib
from importlib.abc import MetaPathFinder

import numpy as np

from and_tf.utils import cli

MEBI = 2**20
_CLEAR = pathlib.Path("/proc/self/clear_refs")
_STATUS = pathlib.Path("/proc/self/status")


def unit_rows(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Draw float32 [count, dim], uniform on the unit sphere."""
    draws = np.random.default_rng(seed).standard_normal(
        (count, dim), np.float32
    )
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


def clustered_rows(
    count: int, dim: int, classes: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw unit rows around the centres of some classes, and their labels.

    The centres are the same whatever the seed.

    Returns:
        float32 [count, dim], int64 [count].
    """
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    centres = unit_rows(classes, dim)
    rows = 0.5 * centres[labels] + unit_rows(count, dim, seed + 1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels


def images(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Draw uint8 [count, side, side, 3]."""
    shape = (count, side, side, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a layer's first weights, the same for the same name.

    Args:
        name: The variable's name.
        shape: The shape of a kernel, [H, W, in, out] or [in, out].

    Returns:
        float32, uniform in ±1/√fan_in.
    """
    limit = np.prod(shape[:-1]) ** -0.5
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return generator.uniform(-limit, limit, shape).astype(np.float32)


class _NoTorch(MetaPathFinder):
    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "torch":
            raise ModuleNotFoundError("PyTorch has sides of its own.")


def without_torch() -> None:
    """Make a process behave as one where PyTorch is not installed.

    keras-cv imports it wherever it is, which takes seconds and memory.
    """
    sys.meta_path.insert(0, _NoTorch())


def start_tensorflow(threads: int) -> None:
    """Import TensorFlow; to be called before anything runs in it."""
    without_torch()
    cli.import_tensorflow()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def start_torch(threads: int) -> None:
    """Import PyTorch."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)


def start_faiss(threads: int) -> None:
    """Import faiss."""
    import faiss

    faiss.omp_set_num_threads(threads)


def restart_peak() -> None:
    """Forget the memory that was held before, where Linux lets us."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        pass


def peak() -> int:
    """Return the most bytes held since `restart_peak`, or since the start."""
    try:
        return _status("VmHWM")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def held() -> int:
    """Return the bytes held now, or `peak` where the system does not say."""
    try:
        return _status("VmRSS")
    except OSError:
        return peak()


def _status(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {name}")
