"""Libraries, each imported with the same number of threads."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

from and_tf.utils import cli


class _NoTorch(MetaPathFinder):
    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "torch":
            raise ModuleNotFoundError("PyTorch has sides of its own.")


def without_torch() -> None:
    """Has a process be as one where PyTorch is not installed.

    keras-cv imports it wherever it is, which takes seconds and memory.
    """
    sys.meta_path.insert(0, _NoTorch())


def tensorflow(threads: int) -> None:
    """Imports TensorFlow; to be called before anything runs in it."""
    without_torch()
    cli.import_tensorflow()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def torch(threads: int) -> None:
    """Imports PyTorch."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)


def faiss(threads: int) -> None:
    """Imports faiss."""
    import faiss

    faiss.omp_set_num_threads(threads)
