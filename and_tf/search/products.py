"""Products of some rows with some others, and what is taken from them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

# TensorFlow has XLA's reduction of several operands at once here and nowhere
# public; JAX relies on this module too. Reductions of one operand each take
# half as long again, since every one of them computes its exponentials.
from tensorflow.compiler.tf2xla.python import xla

GROUP = 8  # Numbers that maxima are of.
SUMMED = 32  # Of these groups, how many a sum is of.


def visit(
    a: tf.Tensor,
    b: tf.Tensor,
    scale: tf.Tensor | None,
    shift: tf.Tensor | None,
    both: bool,
) -> tuple[Any, ...]:
    """The products of two sets of rows, and what is taken from them.

    For each side that is the maxima of every `GROUP` products and, with a
    scale, of the logits l = a · b · scale − shift the sums of exp(l) and of
    exp(l) · l, in parts that NumPy adds up. Compiled once for blocks of the
    same shapes.

    Args:
        a: float32 [A, D].
        b: float32 [B, D].
        scale: float32 [], or None for no sums.
        shift: float32 [] or [A, 1].
        both: Whether b is served, too.

    Returns:
        float32 [A, B]; one or three of [A, n], with n = B / GROUP for the
        first; where b is served, as many of [m, B].
    """
    tensors = (a, b) if scale is None else (a, b, scale, shift)
    return compiled(tuple(tuple(t.shape) for t in tensors), both)(*tensors)


@functools.cache
def compiled(shapes: tuple[tuple[int, ...], ...], both: bool) -> Callable:
    """The function that visits blocks of such shapes; see `visit`.

    Args:
        shapes: Of a, b and, where there is one, of scale and shift.
        both: Whether b is served, too.
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
        terms = [products, weights, weights * logits]
        return products, *[_maxima_and_sums(*terms, axis) for axis in axes]

    # A function for each: of one that is traced for many shapes, TensorFlow
    # warns.
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    function = tf.function(taken, autograph=False, jit_compile=True)
    return function.get_concrete_function(*specs)


def scale_and_shift(
    temperature: float | None, largest: tf.Tensor
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """Scale and shift, for `visit`, that keep exponents at or below 0."""
    if temperature is None:
        return None, None
    scale = tf.constant(1 / temperature)
    return scale, largest * scale


def as_array(tensor: tf.Tensor) -> np.ndarray:
    """What a CPU's tensor holds, which `numpy()` would copy."""
    return np.asarray(memoryview(tensor))


def _maxima(x: tf.Tensor, axis: int) -> tf.Tensor:
    """The maxima of every `GROUP` numbers, n apart: [n, B] or [A, n]."""
    return tf.reduce_max(_split(x, GROUP, axis), axis)


def _maxima_and_sums(
    products: tf.Tensor, weights: tf.Tensor, weighted: tf.Tensor, axis: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Maxima of the first and sums of the others, in one pass.

    Args:
        products, weights, weighted: float32 [A, B].
        axis: Which gets shorter.

    Returns:
        The maxima as `_maxima` gives them, and parts of the sums.
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
    """What the reduction does with two triples of numbers."""

    @tf.function(autograph=False)
    def combine(*numbers: tf.Tensor) -> tuple[tf.Tensor, ...]:
        a, b, c, x, y, z = numbers
        return tf.maximum(a, x), b + y, c + z

    return combine.get_concrete_function(*[tf.TensorSpec([], tf.float32)] * 6)


def _split(x: tf.Tensor, count: int, axis: int) -> tf.Tensor:
    """Groups of `count` numbers of an axis, n apart, on an axis of their own.

    Args:
        x: float32 [A, B].
        count: A power of 2, at most 32: XLA is slow with more. Fewer are
            taken where the axis is not to be divided so.
        axis: Which is split in two, of `count` and n.
    """
    count = math.gcd(x.shape[axis], count)
    shape = [*x.shape[:axis], count, -1, *x.shape[axis + 1 :]]
    return tf.reshape(x, shape)
