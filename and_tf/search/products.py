"""Products of some rows with some others, and what is taken from them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

GROUP, SUMMED = 8, 32  # Numbers that maxima and sums are of.


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
        terms = []
        if exponent:
            scale, shift = exponent
            logits = products * scale - shift
            weights = tf.exp(logits)
            terms = [weights, weights * logits]
        found = []
        for axis in (1, 0) if both else (1,):
            found.append([_reduced(tf.reduce_max, products, GROUP, axis)])
            found[-1] += [
                _reduced(tf.reduce_sum, t, SUMMED, axis) for t in terms
            ]
        return products, *found

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


def _reduced(
    reduce: Callable, x: tf.Tensor, count: int, axis: int
) -> tf.Tensor:
    """Reduces `count` numbers at a time, n apart, or fewer if n is odd.

    Args:
        reduce: Of TensorFlow.
        x: float32 [A, B].
        count: A power of 2, at most 32: XLA is slow with more.
        axis: Which of x gets shorter.

    Returns:
        float32 [n, B] or [A, n].
    """
    count = math.gcd(x.shape[axis], count)
    shape = [*x.shape[:axis], count, -1, *x.shape[axis + 1 :]]
    return reduce(tf.reshape(x, shape), axis)
