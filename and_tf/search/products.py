"""Computes products of two sets of rows, and their maxima and sums."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

# XLA's reduction of several operands at once is in this module, and in no
# public one; JAX relies on it too. Separate reductions of one operand each take
# half as long again, because each of them computes the exponentials anew.
from tensorflow.compiler.tf2xla.python import xla

GROUP = 8  # The number of products in a group, of which a maximum is taken.
SUMMED = 32  # The number of groups that are added up to one partial sum.


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


def visit(
    a: tf.Tensor,
    b: tf.Tensor,
    scale: tf.Tensor | None,
    shift: tf.Tensor | None,
    both: bool,
) -> tuple[Any, ...]:
    """Computes the products of two sets of rows, and their maxima and sums.

    For each side, it takes the maxima of every `GROUP` products. With a scale
    it also sums exp(l) and exp(l) · l of the logits l = a · b · scale − shift,
    in parts that NumPy adds up. It is compiled once for each set of shapes.

    Args:
        a: float32 [A, D], the first rows.
        b: float32 [B, D], the second rows.
        scale: float32 [], the scale of the logits, or None for no sums.
        shift: float32 [] or [A, 1], the shift of the logits, or None.
        both: Whether to take maxima and sums for b, too.

    Returns:
        The products, float32 [A, B]; for a, a tuple of the maxima [A, n], with
        n = B / `GROUP`, and with a scale of parts of the two sums; with `both`,
        the same for b, its maxima [n, B] with n = A / `GROUP`.
    """
    tensors: tuple[tf.Tensor, ...] = (a, b)
    if scale is not None:
        tensors = (a, b, scale, shift)
    return compiled(tuple(tuple(t.shape) for t in tensors), both)(*tensors)


@functools.cache
def compiled(shapes: tuple[tuple[int, ...], ...], both: bool) -> Callable:
    """Compiles the function that visits blocks of some shapes; see `visit`.

    Args:
        shapes: The shapes of a, b and, with sums, of scale and shift.
        both: Whether to take maxima and sums for b, too.
    """

    def taken(
        a: tf.Tensor, b: tf.Tensor, *exponent: tf.Tensor
    ) -> tuple[Any, ...]:
        products = tf.matmul(a, b, transpose_b=True)
        axes = (1, 0) if both else (1,)
        if not exponent:
            return products, *[(_maxima(products, axis),) for axis in axes]
        scale, shift = exponent
        logits = products * scale - shift
        weights = tf.exp(logits)
        terms = functools.partial(
            _maxima_and_sums, products, weights, weights * logits
        )
        return products, *map(terms, axes)

    # Each shape has its own tf.function, because TensorFlow warns of one that
    # is traced for many shapes.
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    function = tf.function(taken, autograph=False, jit_compile=True)
    return function.get_concrete_function(*specs)


def scale_and_shift(
    temperature: float | None, largest: tf.Tensor
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """Returns the scale and the shift for `visit` that limit exponents to 0.

    Args:
        temperature: τ of the logits, or None for no sums.
        largest: float32 [] or [A, 1], the largest products to expect.

    Returns:
        The scale and the shift; None and None without a temperature.
    """
    if temperature is None:
        return None, None
    scale = tf.constant(1 / temperature)
    return scale, largest * scale


def as_array(tensor: tf.Tensor) -> np.ndarray:
    """Returns a CPU tensor as an array without a copy, unlike `numpy()`."""
    return np.asarray(memoryview(tensor))


def _maxima(x: tf.Tensor, axis: int) -> tf.Tensor:
    """Takes the maxima of `GROUP` numbers, n apart: [n, B] or [A, n]."""
    return tf.reduce_max(_split(x, GROUP, axis), axis)


def _maxima_and_sums(
    products: tf.Tensor, weights: tf.Tensor, weighted: tf.Tensor, axis: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Takes maxima of the products and sums of the others, in one pass.

    Args:
        products, weights, weighted: float32 [A, B].
        axis: The axis to reduce, 0 or 1.

    Returns:
        The maxima, as from `_maxima`, and parts of the two sums.
    """
    maxima, *sums = xla.variadic_reduce(
        [_split(x, GROUP, axis) for x in (products, weights, weighted)],
        [tf.constant(start, tf.float32) for start in (-np.inf, 0, 0)],
        [axis],
        _larger_and_sums(),
    )
    return maxima, *[tf.reduce_sum(_split(x, SUMMED, axis), axis) for x in sums]


@functools.cache
def _larger_and_sums() -> Any:
    """Returns the function that reduces two triples of numbers to one."""

    @tf.function(autograph=False)
    def combine(*numbers: tf.Tensor) -> tuple[tf.Tensor, ...]:
        a, b, c, x, y, z = numbers
        return tf.maximum(a, x), b + y, c + z

    return combine.get_concrete_function(*[tf.TensorSpec([], tf.float32)] * 6)


def _split(x: tf.Tensor, count: int, axis: int) -> tf.Tensor:
    """Splits an axis into groups of `count` numbers that are n apart.

    Args:
        x: float32 [A, B].
        count: A power of 2, at most 32, because XLA is slow with more. If
            the axis is not divisible by it, the groups are smaller.
        axis: The axis to split into two axes of lengths `count` and n.

    Returns:
        float32 of rank 3.
    """
    count = math.gcd(x.shape[axis], count)
    shape = [*x.shape[:axis], count, -1, *x.shape[axis + 1 :]]
    return tf.reshape(x, shape)
