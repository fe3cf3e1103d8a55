"""Products of float32 numbers as float32 has them, on every device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Has products computed in float32 meanwhile, and not in TensorFloat-32.

    TensorFlow's default on NVIDIA's GPUs since Ampere rounds what it
    multiplies to 10 bits. An encoder bears that and is faster. Cosines would
    be off by some 1e-4, so that others than the nearest are found, and at
    τ = 0.1 entropies by 1e-3. The setting is the process' own: nothing else
    may compute meanwhile.
    """
    config = tf.config.experimental
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(before)
