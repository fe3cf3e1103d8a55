"""Nearest neighbours and entropies on accelerators, by maxima of groups.

The bank is visited block by block. One visit serves everything that is asked
of a block: the sums that equation 5 needs, and the maximum of every group of
`GROUP` rows. The k nearest rows lie in the k groups with the highest maxima,
so a top-k over 1/16 of the numbers and one over the members of the winning
groups are exact, where a top-k over all similarities would cost more than the
product that made them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

GROUP = 16
QUERIES = 1024
BLOCK = 1024  # [QUERIES, BLOCK] float32 is 4 MB
# What one slice of queries may take beside the sweep, in bytes.
SLICE_BYTES = 32 * 2**20
# What a product with a scattered row is taken to cost, in products with rows
# in order: an estimate from memory against arithmetic, by which `search`
# chooses between the winning groups' members alone and all rows once more.
SCATTERED_COST = 50


def search(
    queries: tf.Tensor,
    own: np.ndarray | None,
    rows: tf.Tensor,
    k: int,
    temperature: float | None,
) -> tuple[np.ndarray, ...]:
    """Similarities, indices and, with a temperature, entropies of queries.

    Arrays beside the arguments and the result: a padded copy of the rows and
    about QUERIES × (2 × BLOCK + N / GROUP) × 4 + 2 × SLICE_BYTES bytes. With
    D = 128 that is 110 MB for N = 50,000 and 1.1 GB for N = 1,281,167.

    Args:
        queries: float32 [Q, D].
        own: integer [Q], the row that each query is and that is left out, or
            None.
        rows: float32 [N, D].
        k: How many.
        temperature: τ, or None.
    """
    if own is None:
        own = np.full(queries.shape[0], -1)
    own = tf.constant(own, tf.int32)
    padded, bias = _pad(rows)
    parts = [
        _search(queries[i : i + QUERIES], own[i : i + QUERIES], padded, bias,
                k, temperature, rows.shape[0])
        for i in range(0, queries.shape[0], QUERIES)
    ]  # fmt: skip
    return tuple(np.concatenate(a) for a in zip(*parts, strict=True))


def _search(
    queries: tf.Tensor,
    own: tf.Tensor,
    rows: tf.Tensor,
    bias: tf.Tensor,
    k: int,
    temperature: float | None,
    most: int,
) -> tuple[np.ndarray, ...]:
    """Similarities, indices and, with a temperature, entropies of queries.

    Args:
        queries: float32 [Q, D], no more than `QUERIES`.
        own: int32 [Q], the row that each query is; −1 for none.
        rows, bias: As `_pad` gives them.
        k: How many.
        temperature: τ, or None.
        most: Rows that there are to choose from.
    """
    scattered = (k + 1) * GROUP * SCATTERED_COST < most
    entropy, maxima = None, None
    if scattered or temperature is not None:
        entropy, maxima = _sweep(
            queries, rows, bias, tf.constant(temperature or 1.0)
        )
    if scattered:
        width = (k + 1) * GROUP * rows.shape[1]
        found = _sliced(
            _among_members, width, queries, own, maxima,
            rows=rows, bias=bias, k=k,
        )  # fmt: skip
    else:
        found = _sliced(
            _among_all, rows.shape[0], queries, own,
            rows=rows, bias=bias, k=k,
        )  # fmt: skip
    return found if temperature is None else (*found, entropy.numpy())


def _sliced(
    function: Callable, width: int, *per_query: tf.Tensor, **others: Any
) -> tuple[np.ndarray, ...]:
    """Calls a function on slices of queries, each of `SLICE_BYTES`.

    Args:
        function: Takes `per_query` and `others`.
        width: Numbers that a query takes.
        *per_query: What is sliced, along the first axis.
        **others: What is not.
    """
    step = max(1, SLICE_BYTES // (4 * width))
    results = [
        [
            t.numpy()
            for t in function(*(a[i : i + step] for a in per_query), **others)
        ]
        for i in range(0, per_query[0].shape[0], step)
    ]
    return tuple(np.concatenate(a) for a in zip(*results, strict=True))


def _pad(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Pads N to whole blocks; returns [M, D] and what to add, [M], to mask.

    The mask is finite: −inf times the weight 0 of a masked row would be NaN.
    """
    missing = -rows.shape[0] % BLOCK
    bias = tf.concat(
        [tf.zeros(rows.shape[0]), tf.fill([missing], -1e30)], axis=0
    )
    return tf.pad(rows, [[0, missing], [0, 0]]), bias


@functools.partial(tf.function, autograph=False, jit_compile=True)
def _sweep(
    queries: tf.Tensor, rows: tf.Tensor, bias: tf.Tensor, temperature: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the entropies [Q] and the groups' maxima [Q, M / GROUP].

    Group g of a block holds its rows g, g + BLOCK / GROUP, …: a maximum over
    the middle axis of [Q, GROUP, BLOCK / GROUP] runs along whole vectors.
    """
    blocks = rows.shape[0] // BLOCK
    # A unit query is nowhere more similar than to itself: exponents stay at
    # or below 0 in a bank, and below 88 for any rows not wildly longer.
    shift = tf.reduce_sum(queries * queries, 1, keepdims=True) / temperature
    count = queries.shape[0]

    def visit(i, total, weighted, maxima):
        block = tf.slice(rows, [i * BLOCK, 0], [BLOCK, rows.shape[1]])
        similarity = tf.matmul(queries, block, transpose_b=True) + tf.slice(
            bias, [i * BLOCK], [BLOCK]
        )
        logits = similarity / temperature - shift  # [Q, BLOCK]
        weights = tf.exp(logits)
        highest = tf.reduce_max(
            tf.reshape(similarity, [count, GROUP, BLOCK // GROUP]), axis=1
        )
        return (
            i + 1,
            total + tf.reduce_sum(weights, 1),
            weighted + tf.reduce_sum(weights * logits, 1),
            tf.tensor_scatter_nd_update(maxima, [[i]], [highest]),
        )

    _, total, weighted, maxima = tf.while_loop(
        lambda i, *_: i < blocks,
        visit,
        (
            tf.constant(0),
            tf.zeros([count]),
            tf.zeros([count]),
            tf.zeros([blocks, count, BLOCK // GROUP]),
        ),
    )
    maxima = tf.reshape(tf.transpose(maxima, [1, 0, 2]), [count, -1])
    return tf.math.log(total) - weighted / total, maxima


@functools.partial(tf.function, autograph=False, reduce_retracing=True)
def _among_members(
    queries: tf.Tensor,
    own: tf.Tensor,
    maxima: tf.Tensor,
    rows: tf.Tensor,
    bias: tf.Tensor,
    k: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k nearest, from products with the winning groups' members alone."""
    members = _members(maxima, k)
    similarity = tf.einsum("qd,qmd->qm", queries, tf.gather(rows, members))
    return _best(similarity + tf.gather(bias, members), members, own, k)


@functools.partial(tf.function, autograph=False, reduce_retracing=True)
def _among_all(
    queries: tf.Tensor,
    own: tf.Tensor,
    rows: tf.Tensor,
    bias: tf.Tensor,
    k: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k nearest, from products with all rows."""
    similarity = tf.matmul(queries, rows, transpose_b=True) + bias  # [Q, M]
    count = tf.shape(queries)[0]
    grouped = tf.reshape(similarity, [count, -1, GROUP, BLOCK // GROUP])
    maxima = tf.reduce_max(grouped, axis=2)
    members = _members(tf.reshape(maxima, [count, -1]), k)
    return _best(tf.gather(similarity, members, batch_dims=1), members, own, k)


def _members(maxima: tf.Tensor, k: int) -> tf.Tensor:
    """Rows of the groups that the k nearest are in, [Q, (k + 1) · GROUP].

    One group more than k: the query itself may have won its group.
    """
    per_block = BLOCK // GROUP
    wanted = tf.minimum(k + 1, tf.shape(maxima)[1])
    groups = tf.math.top_k(maxima, wanted, sorted=False).indices
    first = groups // per_block * BLOCK + groups % per_block
    members = first[:, :, None] + tf.range(GROUP) * per_block
    return tf.reshape(members, [-1, wanted * GROUP])


def _best(
    similarity: tf.Tensor, members: tf.Tensor, own: tf.Tensor, k: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k highest of each row, a query's own left out, and whose they are."""
    similarity = tf.where(members == own[:, None], -float("inf"), similarity)
    best = tf.math.top_k(similarity, k)
    return best.values, tf.gather(members, best.indices, batch_dims=1)
