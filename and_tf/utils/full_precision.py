"""Computes products of float32 numbers in float32 on every device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Computes the products in a block in float32, not in TensorFloat-32.

    By default, TensorFlow rounds factors to 10 bits on NVIDIA's GPUs since
    Ampere. An encoder tolerates that and is faster. Cosines, however, would be
    off by about 1e-4, so that wrong neighbours are found, and entropies at
    τ = 0.1 by about 1e-3. The setting is that of the whole process, so nothing
    else may compute at the same time.
    """
    config = tf.config.experimental
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(before)
