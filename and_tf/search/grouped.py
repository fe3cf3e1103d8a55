"""Searches on accelerators, by one slice of the queries after another.

A slice is one function that XLA compiles. It computes the products of some
queries with all rows, the nearest rows by maxima of groups (`highest`), the
sums that equation 5 needs, and the summary of the neighbours. Its results are
one tensor, which the host fetches while the next slice is computed. Inside the
function everything is on the device; without XLA, TensorFlow would keep the
int32 indices on the host.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from and_tf.search import device
from and_tf.search.highest import GROUP, highest, numbers_beside
from and_tf.search.packing import Packing, fetched
from and_tf.search.products import full_precision
from and_tf.search.summary import Summary
from and_tf.utils.errors import InputError

# The most queries of a slice. This many fill any device, and with several
# slices the host can fetch one while the next is computed.
QUERIES = 8192


def search(
    queries: tf.Tensor,
    own: np.ndarray | None,
    rows: tf.Tensor,
    k: int,
    temperature: float | None,
    summary: Summary | None = None,
) -> tuple[np.ndarray, ...]:
    """Finds the neighbours of queries and, with a temperature, entropies.

    Besides the arguments, the device holds a copy of the rows if N is no
    multiple of 16, a copy of the queries, cuBLAS' workspace (about 32 MiB),
    one slice, and the results of two slices. A slice takes `bytes_each` for
    each of its queries, within `device.budget`. For N = 1,281,167 and k = 10,
    with entropies, that is 6.1 MB per query, so that on an H100 a slice of 700
    queries takes 4 GiB.

    Args:
        queries: float32 [Q, D], the embeddings to search for.
        own: integer [Q], the row of each query itself, which is left out of
            the neighbours; or None.
        rows: float32 [N, D], the embeddings to search among.
        k: The number of neighbours.
        temperature: τ of the entropies; None computes no entropies.
        summary: The function of the neighbours to compute; None returns the
            neighbours.

    Returns:
        Similarities float32 [Q, k] and indices int32 [Q, k], or the arrays of
        the summary; with a temperature, then the entropies, float32 [Q].

    Raises:
        InputError: If the device has no room for even a small slice.
    """
    if own is None:
        own = np.full(queries.shape[0], -1)
    each = bytes_each(rows.shape[0], k, temperature is not None, summary)
    step = device.rows_at_a_time(
        queries.shape[0],
        each,
        min(device.budget(device.current()), QUERIES * each),
    )
    while True:
        try:
            return _search(queries, own, rows, k, temperature, summary, step)
        except tf.errors.ResourceExhaustedError as error:
            # The free memory may not be in one piece.
            if step <= device.ALIGNED:
                raise InputError(_no_room(rows.shape, step * each)) from error
            step = max(device.ALIGNED, step // 2)


def _no_room(shape: tuple[int, int], size: int) -> str:
    """Formats the error message for a slice of `size` bytes."""
    return (
        f"Expected room on {device.current()} to search {shape[0]:,} rows of "
        f"{shape[1]} numbers, {size / 2**20:,.0f} MiB at a time. Received: no "
        "such piece of free memory. End what else uses the device, or train "
        "with a smaller --batch_size, whose step leaves more of it free."
    )


def bytes_each(
    num_rows: int, k: int, entropies: bool, summary: Summary | None = None
) -> int:
    """Returns the number of bytes that a slice holds for each of its queries.

    With M padded rows, that is 4 · (M + 2 · M/16 + h) and the summary's bytes:
    the products, the sums of the weights by groups (only with entropies), and h
    numbers for the search among groups; see `highest.numbers_beside`.

    Args:
        num_rows: N, the number of rows.
        k: The number of neighbours.
        entropies: Whether entropies are computed.
        summary: The summary of the neighbours, or None.
    """
    width = _padded(num_rows)
    numbers = width + numbers_beside(width, k)
    if entropies:
        numbers += 2 * (width // GROUP)
    return 4 * numbers + (0 if summary is None else summary.bytes_each)


def _search(
    queries: tf.Tensor,
    own: np.ndarray,
    rows: tf.Tensor,
    k: int,
    temperature: float | None,
    summary: Summary | None,
    step: int,
) -> tuple[np.ndarray, ...]:
    """Searches in slices of `step` queries; the last slice is padded."""
    count, num_rows = queries.shape[0], rows.shape[0]
    starts = range(0, count, step)
    missing = len(starts) * step - count
    queries = tf.pad(queries, [[0, missing], [0, 0]])
    own = tf.constant(np.pad(own, (0, missing)), tf.int64)
    rows = tf.pad(rows, [[0, _padded(num_rows) - num_rows], [0, 0]])
    others = () if summary is None else summary.tensors()
    compiled = _compiled(
        _Shape(step, num_rows, rows.shape[1], k, temperature is not None),
        None if summary is None else summary.on_device(),
        tuple(tf.TensorSpec(t.shape, t.dtype) for t in others),
    )
    tau = tf.constant(1.0 if temperature is None else temperature, tf.float32)

    def launch() -> Iterator[tf.Tensor]:
        for i in starts:
            part = slice(i, i + step)
            yield compiled.function(
                queries[part], own[part], rows, tau, *others
            )

    found = compiled.packing.empty(count)
    with full_precision():
        for start, words in zip(starts, fetched(launch()), strict=True):
            arrays = [array[start : start + step] for array in found]
            compiled.packing.unpack(words, arrays)
    return found


class _Shape(NamedTuple):
    """All parameters of a compiled slice except its summary."""

    queries: int
    num_rows: int
    dimension: int
    k: int
    entropies: bool


class _Compiled(NamedTuple):
    """The function of a slice, and the packing of its results."""

    function: Callable[..., tf.Tensor]
    packing: Packing


@functools.cache
def _compiled(
    shape: _Shape,
    on_device: Callable | None,
    others: tuple[tf.TensorSpec, ...],
) -> _Compiled:
    """Traces the function of a slice, once for each shape.

    XLA compiles at the first call, where it reads whether TensorFloat-32 is
    allowed, and keeps the compiled code. Only `_search` calls the function,
    within `full_precision`, so that there is no version of lower precision.

    Args:
        shape: The parameters of the slice.
        on_device: The function from `Summary.on_device`, or None.
        others: The specs of its further arguments; see `Summary.tensors`.
    """
    packing = Packing()
    specs = [
        tf.TensorSpec([shape.queries, shape.dimension], tf.float32),
        tf.TensorSpec([shape.queries], tf.int64),
        tf.TensorSpec([_padded(shape.num_rows), shape.dimension], tf.float32),
        tf.TensorSpec([], tf.float32),
    ]

    def visit(*tensors: tf.Tensor) -> tf.Tensor:
        return packing.pack(_visit(shape, on_device, *tensors))

    # Each shape has its own tf.function, because TensorFlow warns of one that
    # is traced for many shapes.
    function = tf.function(visit, autograph=False, jit_compile=True)
    concrete = function.get_concrete_function(*specs, *others)
    return _Compiled(concrete, packing)


def _visit(
    shape: _Shape,
    on_device: Callable | None,
    queries: tf.Tensor,
    own: tf.Tensor,
    rows: tf.Tensor,
    temperature: tf.Tensor,
    *others: tf.Tensor,
) -> list[tf.Tensor]:
    """Searches for one slice of queries.

    Args:
        shape, on_device: See `_compiled`.
        queries: float32 [q, D], the embeddings to search for.
        own: int64 [q], the row of each query itself; −1 for none.
        rows: float32 [M, D], padded by any rows.
        temperature: float32 [], τ; ignored without entropies.
        *others: Further arguments of `on_device`.

    Returns:
        The results of `search` for these queries, [q, …] each.
    """
    products = tf.matmul(queries, rows, transpose_b=True)  # [q, M]
    own = tf.cast(own, tf.int32)[:, None]

    def mask(x: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        allowed = (columns < shape.num_rows) & (columns != own)
        return tf.where(allowed, x, -float("inf"))

    found = highest(products, shape.k, mask)
    results = list(found if on_device is None else on_device(*found, *others))
    if shape.entropies:
        # A query's own row is no neighbour, but the sums include it.
        itself = tf.reduce_sum(queries * queries, axis=1, keepdims=True)
        itself = tf.where(own >= 0, itself, -float("inf"))
        largest = tf.maximum(found[0][:, :1], itself)
        logits = (products - largest) / temperature
        results.append(_entropies(logits, shape.num_rows))
    return results


def _entropies(logits: tf.Tensor, num_rows: int) -> tf.Tensor:
    """Returns the entropies [q] of the softmax over the first N columns.

    Args:
        logits: float32 [q, M], the highest near 0.
        num_rows: N, the number of columns that count.
    """
    counted = tf.range(logits.shape[1]) < num_rows
    weights = tf.where(counted, tf.exp(logits), 0.0)

    def total(x: tf.Tensor) -> tf.Tensor:
        # Groups are summed first, because a single float32 sum of a million
        # numbers would lose precision.
        groups = tf.reshape(x, [x.shape[0], GROUP, -1])
        return tf.reduce_sum(tf.reduce_sum(groups, axis=1), axis=1)

    mass = total(weights)
    # A logit may be −∞ in float32; its term 0 · log 0 counts as 0.
    weighted = total(tf.where(weights > 0, weights * logits, 0.0))
    return tf.math.log(mass) - weighted / mass


def _padded(num_rows: int) -> int:
    """Returns M, `num_rows` rounded up to a multiple of `GROUP`."""
    return -(-num_rows // GROUP) * GROUP
